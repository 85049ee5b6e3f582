"""Transit: operators and their terms, accounts, entitlements by time, files for fare engines."""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

OPERATORS = """
-- A merchant that runs buses or a metro, its machine, and the benefit that its riders have.
CREATE TABLE transit_operators (
    merchant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    benefit_code text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_transit_operators PRIMARY KEY (merchant_id),
    CONSTRAINT uq_transit_operators__source_id UNIQUE (source_id),
    CONSTRAINT fk_transit_operators__merchant_id FOREIGN KEY (merchant_id)
        REFERENCES merchants (merchant_id)
);
-- What is agreed from a day on; never changed, so that a day is settled by the terms it began with.
CREATE TABLE transit_terms (
    merchant_id uuid NOT NULL,
    valid_from date NOT NULL,
    trips_per_day bigint NOT NULL,
    subsidy_per_day_fen bigint NOT NULL,
    complete_within_days bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_transit_terms PRIMARY KEY (merchant_id, valid_from),
    CONSTRAINT fk_transit_terms__merchant_id FOREIGN KEY (merchant_id)
        REFERENCES transit_operators (merchant_id),
    CONSTRAINT ck_transit_terms__amounts CHECK (
        trips_per_day > 0 AND subsidy_per_day_fen > 0 AND complete_within_days BETWEEN 0 AND 30)
);
"""
ENTITLEMENTS = """
-- The id is random, of one citizen with one operator: two operators cannot join what they have.
-- filed_*: what the last file of the operator said.
CREATE TABLE transit_accounts (
    citizen_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    filed_percent bigint NOT NULL DEFAULT 100,
    filed_from timestamptz,
    filed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_transit_accounts PRIMARY KEY (citizen_id, merchant_id)
);
CREATE INDEX ix_transit_accounts__merchant_id ON transit_accounts (merchant_id, citizen_id);
CREATE TABLE transit_account_ids (
    account_id uuid NOT NULL,
    citizen_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_transit_account_ids PRIMARY KEY (account_id)
);
-- Only what is better than everybody's fare has a row; the times of one account never overlap.
CREATE TABLE transit_entitlements (
    citizen_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    price_percent bigint NOT NULL,
    CONSTRAINT pk_transit_entitlements PRIMARY KEY (citizen_id, merchant_id, valid_from),
    CONSTRAINT fk_transit_entitlements__citizen_id_merchant_id FOREIGN KEY (citizen_id, merchant_id)
        REFERENCES transit_accounts (citizen_id, merchant_id),
    CONSTRAINT ck_transit_entitlements__price_percent CHECK (price_percent BETWEEN 0 AND 99),
    CONSTRAINT ck_transit_entitlements__valid CHECK (valid_until >= valid_from)
);
"""
FILES = """
-- Files are made once and never changed; their signature is made when it is read.
CREATE TABLE transit_files (
    file_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    part bigint NOT NULL,
    is_last boolean NOT NULL,
    line_count bigint NOT NULL,
    made_on date NOT NULL,
    made_at timestamptz NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT pk_transit_files PRIMARY KEY (file_id),
    CONSTRAINT uq_transit_files__merchant_id_sequence_kind_part
        UNIQUE (merchant_id, sequence, kind, part),
    CONSTRAINT ck_transit_files__kind CHECK (kind IN ('full', 'changes'))
);
"""
# The one definition of what somebody rides for now: the better of what the benefit gives and what a
# voucher in the wallet promises, told with consent alone: to the discount, and to the trips by which it
# is settled.  It moves the row that is in force: a better
# or another value ends it and begins a new one; what stays the same is prolonged when half its time is
# over; nothing any more ends it, after a withdrawal at the moment of that.  `latest` is the moment
# beyond which nothing may be promised yet.
REFRESH = """
CREATE FUNCTION transit_refresh(
    citizen uuid, merchant uuid, latest timestamptz,
    OUT account_id uuid, OUT price_percent bigint, OUT valid_from timestamptz,
    OUT valid_until timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz;
    b record;
    held transit_entitlements%ROWTYPE;
    withdrawn timestamptz;
    wanted bigint;
    wanted_until timestamptz;
BEGIN
    SELECT a.account_id INTO account_id FROM transit_accounts a
    WHERE a.citizen_id = citizen AND a.merchant_id = merchant FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    moment := clock_timestamp();
    SELECT x.benefit_id, x.code, x.consent_purpose, x.voucher_life_seconds,
        (x.valid_to + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' AS ends
    INTO b FROM transit_operators o
    JOIN benefits_on((moment AT TIME ZONE 'Asia/Shanghai')::date) x ON x.code = o.benefit_code
    WHERE o.merchant_id = merchant;
    IF FOUND AND citizen_is_active(citizen)
       AND citizen_consent_state(citizen, b.consent_purpose) = 'given'
       AND citizen_consent_state(citizen, 'transit_location') = 'given'
       AND benefit_redeem_check(b.benefit_id, merchant, moment) IS DISTINCT FROM 'wrong_merchant' THEN
        SELECT f.percent, f.until INTO wanted, wanted_until FROM (
            SELECT (v.value ->> 'price_percent')::bigint AS percent, least(
                moment + make_interval(secs => b.voucher_life_seconds), b.ends, latest) AS until
            FROM benefit_value(citizen, b.benefit_id) v
            UNION ALL
            SELECT (h.value ->> 'price_percent')::bigint, h.held_until
            FROM redemption_held_values(citizen, b.code) h
        ) f WHERE f.percent < 100 AND f.until > moment ORDER BY f.percent, f.until DESC LIMIT 1;
    END IF;

    SELECT * INTO held FROM transit_entitlements e
    WHERE e.citizen_id = citizen AND e.merchant_id = merchant AND e.valid_until > moment
    ORDER BY e.valid_from DESC LIMIT 1;
    withdrawn := greatest(citizen_consent_withdrawn_at(citizen, b.consent_purpose),
                          citizen_consent_withdrawn_at(citizen, 'transit_location'));
    IF held.valid_from IS NOT NULL AND
       (wanted IS DISTINCT FROM held.price_percent OR withdrawn > held.valid_from) THEN
        UPDATE transit_entitlements e
        SET valid_until = greatest(held.valid_from, least(moment, withdrawn))
        WHERE e.citizen_id = citizen AND e.merchant_id = merchant AND e.valid_from = held.valid_from;
        held := NULL;
    END IF;
    IF wanted IS NOT NULL AND held.valid_from IS NULL THEN
        INSERT INTO transit_entitlements (citizen_id, merchant_id, valid_from, valid_until, price_percent)
        VALUES (citizen, merchant, moment, wanted_until, wanted) RETURNING * INTO held;
    ELSIF held.valid_until < least(wanted_until,
                                   moment + make_interval(secs => b.voucher_life_seconds / 2)) THEN
        UPDATE transit_entitlements e SET valid_until = wanted_until
        WHERE e.citizen_id = citizen AND e.merchant_id = merchant AND e.valid_from = held.valid_from
        RETURNING * INTO held;
    END IF;
    price_percent := coalesce(held.price_percent, 100);
    valid_from := held.valid_from;
    valid_until := held.valid_until;
END $$;
"""
WALLED = (
    "transit_operators", "transit_terms", "transit_accounts", "transit_account_ids",
    "transit_entitlements", "transit_files",
)  # fmt: skip
REFRESH_NAME = "transit_refresh(uuid, uuid, timestamptz)"
GRANTS = """
GRANT SELECT, INSERT ON transit_operators, transit_terms TO card_web;
GRANT SELECT ON transit_operators, transit_terms TO card_job, card_report;
GRANT SELECT, INSERT ON transit_accounts, transit_account_ids TO card_web;
GRANT SELECT ON transit_accounts, transit_account_ids TO card_job;
GRANT UPDATE (filed_percent, filed_from, filed_until) ON transit_accounts TO card_web, card_job;
GRANT SELECT ON transit_entitlements TO card_web, card_job;
GRANT SELECT, INSERT, DELETE ON transit_files TO card_web, card_job;
GRANT SELECT ON transit_accounts, transit_entitlements, transit_files TO card_report;
"""


def upgrade() -> None:
    op.execute(OPERATORS)
    op.execute(ENTITLEMENTS)
    op.execute(FILES)
    op.execute(REFRESH)
    op.execute(f"REVOKE ALL ON FUNCTION {REFRESH_NAME} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {REFRESH_NAME} TO card_web, card_job")
    op.execute(GRANTS)
    for table in WALLED:
        op.execute(f"SELECT merchant_wall('{table}')")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {REFRESH_NAME}")
    op.execute("""
    DROP TABLE transit_files;
    DROP TABLE transit_entitlements;
    DROP TABLE transit_account_ids;
    DROP TABLE transit_accounts;
    DROP TABLE transit_terms;
    DROP TABLE transit_operators;
    """)

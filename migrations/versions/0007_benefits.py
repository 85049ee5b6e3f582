"""The catalogue of benefits: what everybody gets, what a tier adds, prices, hours, stock."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
-- A published version is never changed: a change is a new version.
CREATE TABLE benefits (
    benefit_id uuid NOT NULL,
    code text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    baseline jsonb NOT NULL,
    tiers jsonb NOT NULL,
    price_points bigint NOT NULL,
    consent_purpose text,
    valid_from date NOT NULL,
    valid_to date,
    weekdays bigint[] NOT NULL,
    open_from time,
    open_until time,
    claim_limit_count bigint,
    claim_limit_period text,
    voucher_life_seconds bigint NOT NULL,
    annul_window_seconds bigint NOT NULL,
    stock_limited boolean NOT NULL,
    at_all_merchants boolean NOT NULL,
    content_digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_benefits PRIMARY KEY (benefit_id),
    CONSTRAINT uq_benefits__code_version UNIQUE (code, version),
    CONSTRAINT ck_benefits__code CHECK (code ~ '^[a-z][a-z0-9_]{1,39}$'),
    CONSTRAINT ck_benefits__kind CHECK (kind IN ('entitlement', 'ticket')),
    CONSTRAINT ck_benefits__price_points CHECK (price_points >= 0),
    CONSTRAINT ck_benefits__valid CHECK (valid_to IS NULL OR valid_to >= valid_from),
    CONSTRAINT ck_benefits__weekdays CHECK (weekdays <@ '{1,2,3,4,5,6,7}'::bigint[]),
    CONSTRAINT ck_benefits__hours CHECK (
        (open_from IS NULL) = (open_until IS NULL) AND (open_from IS NULL OR open_from < open_until)),
    CONSTRAINT ck_benefits__claim_limit CHECK (
        (claim_limit_count IS NULL) = (claim_limit_period IS NULL)
        AND (claim_limit_count IS NULL OR claim_limit_count > 0)
        AND (claim_limit_period IS NULL
             OR claim_limit_period IN ('day', 'week', 'month', 'year', 'ever'))),
    CONSTRAINT ck_benefits__voucher_life CHECK (voucher_life_seconds > 0),
    CONSTRAINT ck_benefits__annul_window CHECK (annul_window_seconds >= 0)
);
-- Limited stock in buckets, so that parallel claims do not wait for one row.
CREATE TABLE benefit_stock (
    benefit_code text NOT NULL,
    bucket bigint NOT NULL,
    left_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_benefit_stock PRIMARY KEY (benefit_code, bucket),
    CONSTRAINT ck_benefit_stock__left_count CHECK (left_count >= 0)
);
"""

# Why a claimed benefit cannot be redeemed at this merchant now; null when it can.
REDEEM_CHECK = """
CREATE FUNCTION benefit_redeem_check(benefit uuid, merchant uuid, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b record;
    city_time timestamp := at AT TIME ZONE 'Asia/Shanghai';
BEGIN
    SELECT x.valid_to, x.weekdays, x.open_from, x.open_until,
        x.at_all_merchants OR EXISTS (
            SELECT FROM benefit_merchants m
            WHERE m.benefit_code = x.code AND m.merchant_id = merchant) AS taken_here
    INTO b FROM benefits x WHERE x.benefit_id = benefit;
    IF NOT FOUND THEN RETURN 'benefit_unknown'; END IF;
    IF NOT b.taken_here THEN RETURN 'wrong_merchant'; END IF;
    IF city_time::date > b.valid_to THEN RETURN 'benefit_ended'; END IF;
    IF NOT extract(isodow FROM city_time)::bigint = ANY (b.weekdays)
       OR city_time::time < b.open_from OR city_time::time >= b.open_until THEN
        RETURN 'outside_hours';
    END IF;
    RETURN NULL;
END $$;
"""

# What a citizen gets: the tier's value where a tier lifts it and the receiver may be told, else the
# baseline.  `improved` says whether it is better than the baseline.
VALUES = """
CREATE FUNCTION benefit_value(citizen uuid, benefit uuid)
RETURNS TABLE (value jsonb, improved boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b benefits%ROWTYPE;
    granted jsonb;
BEGIN
    SELECT * INTO b FROM benefits WHERE benefit_id = benefit;
    IF b.consent_purpose IS NULL OR citizen_consent_state(citizen, b.consent_purpose) = 'given' THEN
        granted := b.tiers -> citizen_tier(citizen);
    END IF;
    RETURN QUERY SELECT coalesce(granted, b.baseline), coalesce(granted <> b.baseline, false);
END $$;

-- The versions in force on a day, one per code.
CREATE FUNCTION benefits_on(city_day date) RETURNS SETOF benefits
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT ON (b.code) b.* FROM benefits b
    WHERE b.valid_from <= city_day AND (b.valid_to IS NULL OR b.valid_to >= city_day)
    ORDER BY b.code, b.version DESC
$$;

-- What a merchant can give to a citizen now.
CREATE FUNCTION benefit_offers(citizen uuid, merchant uuid, at timestamptz)
RETURNS TABLE (benefit_code text, name text, price_points bigint, value jsonb, improved boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT b.code, b.name, b.price_points, v.value, v.improved
    FROM benefits_on((at AT TIME ZONE 'Asia/Shanghai')::date) b,
         LATERAL benefit_value(citizen, b.benefit_id) v
    WHERE b.at_all_merchants OR EXISTS (
        SELECT FROM benefit_merchants m
        WHERE m.benefit_code = b.code AND m.merchant_id = merchant)
    ORDER BY b.code;
END $$;
"""

# One piece from any bucket that has some: first one that nobody else holds, then each in turn.
STOCK = """
CREATE FUNCTION benefit_take_stock(wanted_code text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE chosen bigint;
BEGIN
    SELECT s.bucket INTO chosen FROM benefit_stock s
    WHERE s.benefit_code = wanted_code AND s.left_count > 0
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE benefit_stock s SET left_count = s.left_count - 1
        WHERE s.benefit_code = wanted_code AND s.bucket = chosen;
        RETURN true;
    END IF;
    -- All that is left is held by others, who may give up: wait for each in turn.
    FOR chosen IN
        SELECT s.bucket FROM benefit_stock s
        WHERE s.benefit_code = wanted_code AND s.left_count > 0 ORDER BY s.bucket
    LOOP
        UPDATE benefit_stock s SET left_count = s.left_count - 1
        WHERE s.benefit_code = wanted_code AND s.bucket = chosen AND s.left_count > 0;
        IF FOUND THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;

CREATE FUNCTION benefit_return_stock(wanted_code text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE benefit_stock s SET left_count = s.left_count + 1
    WHERE s.benefit_code = wanted_code AND s.bucket = (
        SELECT t.bucket FROM benefit_stock t WHERE t.benefit_code = wanted_code
        ORDER BY t.left_count, t.bucket LIMIT 1);
END $$;
"""

FUNCTIONS = (
    "benefit_redeem_check(uuid, uuid, timestamptz)",
    "benefit_value(uuid, uuid)",
    "benefits_on(date)",
    "benefit_offers(uuid, uuid, timestamptz)",
    "benefit_take_stock(text)",
    "benefit_return_stock(text)",
)


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(REDEEM_CHECK)
    op.execute(VALUES)
    op.execute(STOCK)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO card_web, card_job")
    op.execute("""
    GRANT SELECT, INSERT ON benefits, benefit_stock TO card_web;
    GRANT SELECT ON benefits, benefit_stock TO card_job, card_report;
    """)


def downgrade() -> None:
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("""
    DROP TABLE benefit_stock;
    DROP TABLE benefits;
    """)

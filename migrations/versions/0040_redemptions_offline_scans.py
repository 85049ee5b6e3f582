"""Offline lists, uploaded scans, who wins when two devices took one voucher."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

TABLES = """
-- What the offline root signed; the first list says which root it is.
CREATE TABLE offline_key_lists (
    version bigint NOT NULL,
    root_suite bigint NOT NULL,
    root_public bytea NOT NULL,
    envelope bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_offline_key_lists PRIMARY KEY (version)
);
CREATE TABLE offline_retired_keys (
    kid bytea NOT NULL,
    reason text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_offline_retired_keys PRIMARY KEY (kid),
    CONSTRAINT ck_offline_retired_keys__reason CHECK (char_length(reason) <= 200)
);
CREATE TABLE offline_deny_lists (
    issued_at timestamptz NOT NULL,
    envelope bytea NOT NULL,
    live_count bigint NOT NULL,
    denied_count bigint NOT NULL,
    CONSTRAINT pk_offline_deny_lists PRIMARY KEY (issued_at)
);
-- Every scan that a device ever uploaded, in its own words.  `fault` says why it cannot count at all;
-- which of the others count is offline_standing's to say, whatever order they came in.
CREATE TABLE offline_scans (
    device_id uuid NOT NULL,
    scan_id bytea NOT NULL,
    sequence bigint NOT NULL,
    previous_id bytea NOT NULL,
    scanned_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    code_digest bytea,
    citizen_id uuid,
    voucher_id uuid,
    benefit_code text,
    fault text,
    record bytea NOT NULL,
    CONSTRAINT pk_offline_scans PRIMARY KEY (device_id, scan_id),
    CONSTRAINT ck_offline_scans__voucher CHECK (fault IS NOT NULL OR voucher_id IS NOT NULL)
);
CREATE INDEX ix_offline_scans__device_id_sequence ON offline_scans (device_id, sequence);
CREATE INDEX ix_offline_scans__citizen_id_voucher_id ON offline_scans (citizen_id, voucher_id);
-- The last number that each device said it had reached: a lost end shows too.
CREATE TABLE offline_heads (
    device_id uuid NOT NULL,
    last_sequence bigint NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_offline_heads PRIMARY KEY (device_id)
);
-- Squawk: a few hundred milliseconds on a table of millions; the constraint is checked again.
-- squawk-ignore ban-drop-constraint
ALTER TABLE voucher_endings DROP CONSTRAINT ck_voucher_endings__kind;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE voucher_endings ADD CONSTRAINT ck_voucher_endings__kind
    CHECK (kind IN ('redeemed', 'expired', 'given_back', 'used_offline'));
"""

# One rule for everybody: of the scans of one voucher without a fault the earliest counts; at the same
# millisecond the smaller device id, then the smaller number.  A redemption on line takes part with the
# database's time.  Nothing here depends on when a scan arrived.
STANDING = """
CREATE VIEW offline_standing AS
SELECT s.device_id, s.scan_id, s.sequence, s.scanned_at, s.received_at, s.merchant_id, s.shop_id,
    s.benefit_code, s.citizen_id, s.voucher_id, s.fault,
    first_value(s.device_id) OVER first AS first_device_id,
    first_value(s.scan_id) OVER first AS first_scan_id,
    first_value(s.scanned_at) OVER first AS first_scanned_at,
    r.redeemed_at AS online_redeemed_at,
    CASE WHEN s.fault IS NOT NULL THEN 'parked'
        WHEN r.redeemed_at <= first_value(s.scanned_at) OVER first THEN 'disputed'
        WHEN row_number() OVER first = 1 THEN 'counted'
        ELSE 'disputed' END AS standing
FROM offline_scans s
LEFT JOIN redemptions r ON r.citizen_id = s.citizen_id AND r.voucher_id = s.voucher_id
    AND s.fault IS NULL AND NOT EXISTS (
        SELECT FROM annulments a WHERE a.citizen_id = r.citizen_id AND a.voucher_id = r.voucher_id)
WINDOW first AS (
    PARTITION BY s.citizen_id, s.voucher_id, s.fault IS NULL
    ORDER BY s.scanned_at, s.device_id, s.sequence, s.scan_id);
"""

# Each scan is stored, whatever is wrong with it; the same scan again changes nothing.  Wallets first,
# in order of citizens, like everything about vouchers.
TAKE = """
CREATE FUNCTION offline_take_scans(
    device uuid, merchant uuid, shop uuid, shop_name text, head bigint, request_id text,
    tolerance interval, scan_ids bytea[], sequences bigint[], previous_ids bytea[],
    scanned_ats timestamptz[], code_digests bytea[], faults text[], records bytea[], messages uuid[]
) RETURNS TABLE (scan_id bytea, fault text, standing text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    taken_at timestamptz;
    one record;
BEGIN
    FOR one IN SELECT DISTINCT i.citizen_id FROM offline_issues i
               WHERE i.code_digest = ANY (code_digests) ORDER BY 1 LOOP
        PERFORM redemption_lock_wallet(one.citizen_id);
    END LOOP;
    taken_at := clock_timestamp();
    INSERT INTO offline_scans (device_id, scan_id, sequence, previous_id, scanned_at, received_at,
        merchant_id, shop_id, code_digest, citizen_id, voucher_id, benefit_code, fault, record)
    SELECT device, u.id, u.number, u.previous, u.moment, taken_at, merchant, shop, u.digest,
        i.citizen_id, i.voucher_id, i.benefit_code, coalesce(
            u.fault,
            CASE WHEN i.code_digest IS NULL THEN 'not_issued'
                WHEN u.moment > taken_at + tolerance THEN 'from_the_future'
                WHEN u.moment < i.not_before_at - tolerance OR u.moment >= i.expires_at
                    THEN 'outside_life' END,
            benefit_redeem_check(v.benefit_id, merchant, u.moment)),
        u.record
    FROM unnest(scan_ids, sequences, previous_ids, scanned_ats, code_digests, faults, records)
        AS u(id, number, previous, moment, digest, fault, record)
    LEFT JOIN offline_issues i ON i.code_digest = u.digest
    LEFT JOIN vouchers v ON v.citizen_id = i.citizen_id AND v.voucher_id = i.voucher_id
    ORDER BY u.id
    ON CONFLICT DO NOTHING;

    INSERT INTO offline_heads (device_id, last_sequence) VALUES (device, head)
    ON CONFLICT (device_id) DO UPDATE
        SET last_sequence = greatest(offline_heads.last_sequence, head), heard_at = taken_at;

    -- The vouchers that are finished by this; their owners are told.
    FOR one IN
        WITH ended AS (
            INSERT INTO voucher_endings (citizen_id, voucher_id, kind, ended_at)
            SELECT DISTINCT s.citizen_id, s.voucher_id, 'used_offline', taken_at
            FROM offline_scans s
            WHERE s.device_id = device AND s.scan_id = ANY (scan_ids) AND s.fault IS NULL
            ON CONFLICT (citizen_id, voucher_id) DO UPDATE SET kind = 'used_offline'
                WHERE voucher_endings.kind IN ('expired', 'given_back')
            RETURNING voucher_endings.citizen_id, voucher_endings.voucher_id
        )
        SELECT DISTINCT ON (e.citizen_id, e.voucher_id) e.citizen_id, e.voucher_id, s.benefit_code,
            s.scanned_at, messages[array_position(scan_ids, s.scan_id)] AS message
        FROM ended e
        JOIN offline_scans s ON s.citizen_id = e.citizen_id AND s.voucher_id = e.voucher_id
            AND s.device_id = device AND s.scan_id = ANY (scan_ids)
        ORDER BY e.citizen_id, e.voucher_id, s.scanned_at, s.sequence
    LOOP
        PERFORM trail_append(one.citizen_id, one.message, 'clerk', device, 'redeem_offline',
                             ARRAY['voucher'], shop_name, 'membership');
        PERFORM outbox_put(one.citizen_id, one.message, 'voucher_redeemed', jsonb_build_object(
            'request_id', request_id, 'voucher_id', one.voucher_id,
            'benefit_code', one.benefit_code, 'price_points', 0, 'merchant_id', merchant,
            'shop_id', shop, 'shop_name', shop_name,
            'redeemed_at', redemption_time(one.scanned_at)));
    END LOOP;

    RETURN QUERY
    SELECT o.scan_id, o.fault, o.standing FROM offline_standing o
    WHERE (o.citizen_id, o.voucher_id) IN (
            SELECT s.citizen_id, s.voucher_id FROM offline_scans s
            WHERE s.device_id = device AND s.scan_id = ANY (scan_ids) AND s.fault IS NULL)
      AND o.device_id = device AND o.scan_id = ANY (scan_ids) AND o.fault IS NULL
    UNION ALL
    SELECT s.scan_id, s.fault, 'parked' FROM offline_scans s
    WHERE s.device_id = device AND s.scan_id = ANY (scan_ids) AND s.fault IS NOT NULL;
END $$;
"""

REFUSAL = """
CREATE OR REPLACE FUNCTION redemption_voucher_refusal(
    benefit uuid, held_benefit text, expires_at timestamptz, ended text, wanted_benefit text,
    merchant uuid, moment timestamptz
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE
        WHEN benefit IS NULL THEN 'no_voucher'
        {more}WHEN ended = 'given_back' THEN 'voucher_given_back'
        WHEN ended = 'expired' OR expires_at <= moment THEN 'voucher_expired'
        WHEN wanted_benefit <> held_benefit THEN 'wrong_benefit'
        ELSE benefit_redeem_check(benefit, merchant, moment)
    END;
END $$;
"""
USED_OFFLINE = "WHEN ended = 'used_offline' THEN 'voucher_used_offline'\n        "
FUNCTION = (
    "offline_take_scans(uuid, uuid, uuid, text, bigint, text, interval, bytea[], bigint[], bytea[], "
    "timestamptz[], bytea[], text[], bytea[], uuid[])"
)
GRANTS = """
GRANT SELECT, INSERT ON offline_key_lists, offline_retired_keys TO card_web;
GRANT SELECT ON offline_key_lists, offline_retired_keys TO card_job;
GRANT SELECT, INSERT, DELETE ON offline_deny_lists TO card_web, card_job;
GRANT SELECT ON offline_scans, offline_heads, offline_standing TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(STANDING)
    op.execute(TAKE)
    op.execute(REFUSAL.format(more=USED_OFFLINE))
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_web")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.execute("DROP VIEW offline_standing")
    op.execute(REFUSAL.format(more=""))
    op.execute("""
    DROP TABLE offline_heads;
    DROP TABLE offline_scans;
    DROP TABLE offline_deny_lists;
    DROP TABLE offline_retired_keys;
    DROP TABLE offline_key_lists;
    -- The old release knows no offline use; the voucher stays finished.
    UPDATE voucher_endings SET kind = 'expired' WHERE kind = 'used_offline';
    ALTER TABLE voucher_endings DROP CONSTRAINT ck_voucher_endings__kind;
    ALTER TABLE voucher_endings ADD CONSTRAINT ck_voucher_endings__kind
        CHECK (kind IN ('redeemed', 'expired', 'given_back'));
    """)

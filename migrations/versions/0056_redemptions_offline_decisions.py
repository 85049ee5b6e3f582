"""What operators decide about scans that do not count by themselves, and what counts in the end."""

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

TABLE = """
-- One word for each scan, for good.
CREATE TABLE offline_decisions (
    device_id uuid NOT NULL,
    scan_id bytea NOT NULL,
    outcome text NOT NULL,
    reason_code text NOT NULL,
    decided_by uuid NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_offline_decisions PRIMARY KEY (device_id, scan_id),
    CONSTRAINT fk_offline_decisions__device_id_scan_id FOREIGN KEY (device_id, scan_id)
        REFERENCES offline_scans (device_id, scan_id),
    CONSTRAINT ck_offline_decisions__outcome CHECK (outcome IN ('counted', 'not_counted')),
    CONSTRAINT ck_offline_decisions__reason_code CHECK (reason_code IN (
        'taken_in_good_faith', 'clock_was_wrong', 'network_was_down', 'voucher_used_before',
        'code_not_ours', 'against_the_rules'))
);
GRANT SELECT, INSERT ON offline_decisions TO card_web;
GRANT SELECT ON offline_decisions TO card_job, card_report;
GRANT DELETE ON offline_issues TO card_job;
GRANT SELECT ON offline_scans, offline_standing TO card_report;
"""
# What a scan is worth to its merchant: its standing, unless somebody decided.  A voucher whose
# redemption on line stands besides a scan that counts is named by both; whoever settles sees it in
# online_redeemed_at.
SETTLED = """
CREATE FUNCTION offline_scans_settled(merchant uuid, since timestamptz, until timestamptz)
RETURNS TABLE (
    device_id uuid, scan_id bytea, shop_id uuid, benefit_code text, scanned_at timestamptz,
    received_at timestamptz, standing text, fault text, outcome text, reason_code text,
    decided_at timestamptz, is_counted boolean, online_redeemed_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.device_id, o.scan_id, o.shop_id, o.benefit_code, o.scanned_at, o.received_at, o.standing,
        o.fault, d.outcome, d.reason_code, d.decided_at,
        coalesce(d.outcome, o.standing) = 'counted', o.online_redeemed_at
    FROM offline_standing o
    LEFT JOIN offline_decisions d ON d.device_id = o.device_id AND d.scan_id = o.scan_id
    WHERE o.merchant_id = merchant AND o.scanned_at >= since AND o.scanned_at < until
$$;
"""
# What waits for somebody: scans that do not count and that nobody decided, and numbers that devices
# have reached and not uploaded.
WAITING = """
CREATE FUNCTION offline_waiting(
    OUT disputed bigint, OUT parked bigint, OUT missing bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*) FILTER (WHERE o.standing = 'disputed'),
        count(*) FILTER (WHERE o.standing = 'parked'),
        (SELECT coalesce(sum(greatest(h.last_sequence - (
             SELECT count(DISTINCT s.sequence) FROM offline_scans s
             WHERE s.device_id = h.device_id AND s.sequence <= h.last_sequence), 0)), 0)::bigint
         FROM offline_heads h)
    FROM offline_standing o
    WHERE o.standing <> 'counted' AND NOT EXISTS (
        SELECT FROM offline_decisions d WHERE d.device_id = o.device_id AND d.scan_id = o.scan_id)
$$;

-- Refusals of the last hour by their reason: codes that were refused, and texts that stood for nobody.
CREATE FUNCTION redemption_refusals_by_reason() RETURNS TABLE (reason text, refused bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.reason, count(*) FROM (
        SELECT a.refusal_code AS reason FROM redemption_attempts a
        WHERE a.answer IS NULL AND a.attempted_at > clock_timestamp() - interval '1 hour'
        UNION ALL
        SELECT s.reason FROM unreadable_scans s
        WHERE s.scanned_at > clock_timestamp() - interval '1 hour'
    ) r GROUP BY r.reason
$$;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_unreadable_scans__scanned_at ON unreadable_scans (scanned_at);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_offline_scans__merchant_id_scanned_at ON offline_scans (merchant_id, scanned_at);
"""
SETTLED_FUNCTION = "offline_scans_settled(uuid, timestamptz, timestamptz)"
FUNCTIONS = ("offline_waiting()", "redemption_refusals_by_reason()")


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(SETTLED)
    op.execute(WAITING)
    for function in (SETTLED_FUNCTION, *FUNCTIONS):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO card_web, card_job")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SETTLED_FUNCTION} TO card_report")


def downgrade() -> None:
    op.execute("DROP INDEX ix_offline_scans__merchant_id_scanned_at")
    op.execute("DROP INDEX ix_unreadable_scans__scanned_at")
    for function in (*FUNCTIONS, SETTLED_FUNCTION):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("""
    DROP TABLE offline_decisions;
    REVOKE DELETE ON offline_issues FROM card_job;
    REVOKE SELECT ON offline_scans, offline_standing FROM card_report;
    """)

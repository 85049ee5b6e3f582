"""What vouchers came to for whoever took them: the rows that settlement adds up."""

from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

# Rows come in the order of time: such an index is a few pages, and costs a scan nothing.
INDEXES = """
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_redemptions__redeemed_at ON redemptions USING brin (redeemed_at);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_annulments__annulled_at ON annulments USING brin (annulled_at);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_offline_scans__received_at ON offline_scans USING brin (received_at);
"""
# A scan of another merchant may take a redemption's place: so these views read with their owner's rights,
# past the second wall, and hold it in their text.  `booked_at` is when a use was written down, `origin_at` when it happened.
USES = """
CREATE VIEW redemption_uses AS
SELECT 'redemption' AS kind, r.merchant_id, r.shop_id, v.benefit_id, 1 AS item_count,
    r.price_points AS points, r.redeemed_at AS booked_at, r.redeemed_at AS origin_at
FROM redemptions r
JOIN vouchers v ON v.citizen_id = r.citizen_id AND v.voucher_id = r.voucher_id
WHERE ((SELECT merchant_behind_wall()) IS NULL OR r.merchant_id = (SELECT merchant_behind_wall()))
UNION ALL
SELECT 'annulment', r.merchant_id, r.shop_id, v.benefit_id, -1, -r.price_points, a.annulled_at,
    r.redeemed_at
FROM annulments a
JOIN redemptions r ON r.citizen_id = a.citizen_id AND r.voucher_id = a.voucher_id
JOIN vouchers v ON v.citizen_id = a.citizen_id AND v.voucher_id = a.voucher_id
WHERE ((SELECT merchant_behind_wall()) IS NULL OR r.merchant_id = (SELECT merchant_behind_wall()))
UNION ALL
-- Of the uses of one voucher the earliest counts: a scan off line before it takes a redemption's place.
-- What works off line costs no points.
SELECT 'displaced', r.merchant_id, r.shop_id, v.benefit_id, -1, 0, s.received_at, r.redeemed_at
FROM (SELECT o.citizen_id, o.voucher_id, o.scanned_at,
          min(o.received_at) OVER (PARTITION BY o.citizen_id, o.voucher_id) AS received_at,
          row_number() OVER (PARTITION BY o.citizen_id, o.voucher_id
                             ORDER BY o.scanned_at, o.device_id, o.sequence, o.scan_id) AS place
      FROM offline_scans o WHERE o.fault IS NULL) s
JOIN redemptions r ON r.citizen_id = s.citizen_id AND r.voucher_id = s.voucher_id
    AND r.redeemed_at > s.scanned_at
JOIN vouchers v ON v.citizen_id = r.citizen_id AND v.voucher_id = r.voucher_id
WHERE s.place = 1 AND NOT EXISTS (SELECT FROM annulments a WHERE a.citizen_id = r.citizen_id
                                  AND a.voucher_id = r.voucher_id)
    AND ((SELECT merchant_behind_wall()) IS NULL OR r.merchant_id = (SELECT merchant_behind_wall()));

-- offline_standing's rule, asked of each scan alone: a day of one shop costs no more than its scans.
CREATE VIEW offline_uses AS
SELECT s.device_id, s.scan_id, s.merchant_id, s.shop_id, v.benefit_id, s.benefit_code, s.fault,
    s.received_at, s.scanned_at, d.outcome, d.decided_at,
    CASE WHEN s.fault IS NOT NULL THEN 'parked'
        WHEN EXISTS (
            SELECT FROM offline_scans f
            WHERE f.citizen_id = s.citizen_id AND f.voucher_id = s.voucher_id AND f.fault IS NULL
              AND (f.scanned_at, f.device_id, f.sequence, f.scan_id)
                  < (s.scanned_at, s.device_id, s.sequence, s.scan_id))
        OR EXISTS (
            SELECT FROM redemptions r
            WHERE r.citizen_id = s.citizen_id AND r.voucher_id = s.voucher_id
              AND r.redeemed_at <= s.scanned_at
              AND NOT EXISTS (SELECT FROM annulments a WHERE a.citizen_id = r.citizen_id
                              AND a.voucher_id = r.voucher_id))
        THEN 'disputed' ELSE 'counted' END AS standing
FROM offline_scans s
LEFT JOIN vouchers v ON v.citizen_id = s.citizen_id AND v.voucher_id = s.voucher_id
LEFT JOIN offline_decisions d ON d.device_id = s.device_id AND d.scan_id = s.scan_id
WHERE ((SELECT merchant_behind_wall()) IS NULL OR s.merchant_id = (SELECT merchant_behind_wall()));

-- What became of the vouchers that took from a stock or a budget, by version.
CREATE VIEW redemption_takings AS
SELECT v.benefit_id,
    count(*) FILTER (WHERE e.kind IS NULL) AS held_count,
    count(*) FILTER (WHERE e.kind IN ('redeemed', 'used_offline')) AS spent_count,
    count(*) FILTER (WHERE a.voucher_id IS NOT NULL) AS returned_count
FROM vouchers v
LEFT JOIN voucher_endings e ON e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id
LEFT JOIN annulments a ON a.citizen_id = v.citizen_id AND a.voucher_id = v.voucher_id
WHERE v.stock_taken
GROUP BY v.benefit_id;
GRANT SELECT ON redemption_uses, offline_uses, redemption_takings TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(INDEXES)
    op.execute(USES)


def downgrade() -> None:
    op.execute("DROP VIEW redemption_takings, offline_uses, redemption_uses")
    op.execute("""
    DROP INDEX ix_offline_scans__received_at;
    DROP INDEX ix_annulments__annulled_at;
    DROP INDEX ix_redemptions__redeemed_at;
    """)

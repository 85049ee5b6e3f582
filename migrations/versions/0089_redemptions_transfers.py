"""Redemptions and annulments one by one, with their transfers in the ledger: for reconciling."""

from alembic import op

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- A view reads with its owner's rights: the second wall stands in its text.
    CREATE VIEW redemption_transfers AS
    SELECT r.redemption_id AS use_id, r.merchant_id, r.transfer_id, r.price_points AS points,
        r.redeemed_at AS happened_at
    FROM redemptions r
    WHERE ((SELECT merchant_behind_wall()) IS NULL OR r.merchant_id = (SELECT merchant_behind_wall()))
    UNION ALL
    SELECT a.annulment_id, r.merchant_id, a.transfer_id, -r.price_points, a.annulled_at
    FROM annulments a
    JOIN redemptions r ON r.citizen_id = a.citizen_id AND r.voucher_id = a.voucher_id
    WHERE ((SELECT merchant_behind_wall()) IS NULL OR r.merchant_id = (SELECT merchant_behind_wall()));
    GRANT SELECT ON redemption_transfers TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW redemption_transfers")

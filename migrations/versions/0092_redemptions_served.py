"""Whom vouchers served, and when: what figures about people read."""

from alembic import op

revision = "0092"
down_revision = "0091"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW redemption_served AS
    SELECT v.citizen_id, v.benefit_code AS benefit, e.ended_at AS served_at
    FROM vouchers v
    JOIN voucher_endings e ON e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id
        AND e.kind IN ('redeemed', 'used_offline')
    WHERE NOT EXISTS (SELECT FROM annulments a WHERE a.citizen_id = v.citizen_id
                      AND a.voucher_id = v.voucher_id);
    GRANT SELECT ON redemption_served TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW redemption_served")

"""What settlement reads of trips: the subsidy of an operator's days, each final on its day."""

from alembic import op

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW transit_uses AS
    SELECT d.merchant_id, d.benefit_code, d.trip_count, d.subsidy_fen,
        d.accounting_on::timestamp AT TIME ZONE 'Asia/Shanghai' AS booked_at
    FROM transit_days d
    WHERE ((SELECT merchant_behind_wall()) IS NULL OR d.merchant_id = (SELECT merchant_behind_wall()));
    GRANT SELECT ON transit_uses TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW transit_uses")

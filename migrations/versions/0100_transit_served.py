"""Who rode for less, and when."""

from alembic import op

revision = "0100"
down_revision = "0099"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW transit_served AS
    SELECT t.citizen_id, o.benefit_code AS benefit, t.tap_in_at AS served_at
    FROM transit_trips t JOIN transit_operators o ON o.merchant_id = t.merchant_id
    WHERE t.discount_fen > 0;
    GRANT SELECT ON transit_served TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW transit_served")

"""Credit repairs of organisations, and how long the entry had been shown."""

from alembic import op

revision = "0107"
down_revision = "0106"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW merchant_repairs AS
    SELECT e.ended_at AS repaired_at,
        (e.ended_at AT TIME ZONE 'Asia/Shanghai')::date - m.published_from AS shown_days
    FROM merchant_entry_endings e JOIN merchant_entries m ON m.entry_id = e.entry_id
    WHERE e.cause = 'repaired';
    GRANT SELECT ON merchant_repairs TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW merchant_repairs")

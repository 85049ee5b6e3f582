"""Codes that were refused unread: when, and why."""

from alembic import op

revision = "0109"
down_revision = "0108"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW redemption_bad_scans AS
    SELECT s.scanned_at, s.reason FROM unreadable_scans s;
    GRANT SELECT ON redemption_bad_scans TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW redemption_bad_scans")

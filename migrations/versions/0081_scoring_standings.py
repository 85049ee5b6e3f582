"""Since when everybody stands where they stand: what the audit of equal treatment reads."""

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW score_standings AS
    SELECT s.citizen_id, s.tier, s.total, s.computed_at AS since_at FROM scores s;
    GRANT SELECT ON score_standings TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW score_standings")

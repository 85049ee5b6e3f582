"""Whose deposit a library waived, and when."""

from alembic import op

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW library_served AS
    SELECT w.citizen_id, 'library_' || w.kind AS benefit, w.registered_at AS served_at
    FROM library_waivers w;
    GRANT SELECT ON library_served TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW library_served")

"""Sign-ins of staff that did not succeed; they are kept for a day."""

from alembic import op

revision = "0111"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW refused_sign_ins AS
    SELECT a.created_at AS refused_at FROM sign_in_attempts a;
    GRANT SELECT ON refused_sign_ins TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW refused_sign_ins")

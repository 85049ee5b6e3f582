"""The numbers of orders at WeChat Pay are found by their citizen too, for the citizen's copy."""

from alembic import op

revision = "0106"
down_revision = "0105"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- New orders wait while the table is read once.
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_pay_score_numbers__citizen_id ON pay_score_numbers (citizen_id);
    """)


def downgrade() -> None:
    op.execute("DROP INDEX ix_pay_score_numbers__citizen_id")

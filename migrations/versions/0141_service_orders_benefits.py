"""A line names the published benefit that it carries out."""

from alembic import op

revision = "0141"
down_revision = "0140"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- Null: a line that was made before lines named one.
    ALTER TABLE guarantee_lines ADD COLUMN benefit_code text;
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE guarantee_lines DROP COLUMN benefit_code")

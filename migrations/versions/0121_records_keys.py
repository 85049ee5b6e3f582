"""The keys of files and of refused rows are wrapped again when the key around them changes."""

from alembic import op

revision = "0121"
down_revision = "0120"
branch_labels = None
depends_on = None

TABLES = ("delivery_uploads", "delivery_returns")


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"GRANT UPDATE (wrapped_key) ON {table} TO card_job")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"REVOKE UPDATE (wrapped_key) ON {table} FROM card_job")

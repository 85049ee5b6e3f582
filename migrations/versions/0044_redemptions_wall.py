"""What merchants may not see of each other: the second wall (ADR 16)."""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

WALLED = ("redemptions", "annulments", "redemption_attempts", "unreadable_scans", "offline_scans")


def upgrade() -> None:
    for table in WALLED:
        op.execute(f"SELECT merchant_wall('{table}')")


def downgrade() -> None:
    for table in WALLED:
        op.execute(f"SELECT merchant_wall_down('{table}')")

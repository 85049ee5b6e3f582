"""What merchants may not see of each other: the second wall (ADR 16)."""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

WALLED = ("service_orders",)


def upgrade() -> None:
    for table in WALLED:
        op.execute(f"SELECT merchant_wall('{table}')")


def downgrade() -> None:
    for table in WALLED:
        op.execute(f"SELECT merchant_wall_down('{table}')")

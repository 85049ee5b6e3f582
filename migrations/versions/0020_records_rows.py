"""From a delivery's row to the version of a record that it brought."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # New rows come at its right end: cheap for imports.  Deliveries wait while it is built.
    op.execute("""
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_records__delivery_id_row_number ON records (delivery_id, row_number);
    """)


def downgrade() -> None:
    op.execute("DROP INDEX ix_records__delivery_id_row_number")

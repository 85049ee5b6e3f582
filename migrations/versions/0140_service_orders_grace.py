"""Time to bill or claim after the time of use is over: the hold lasts longer than the use."""

from alembic import op

revision = "0140"
down_revision = "0139"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- What is not back in time can be billed or claimed as long after; then the hold is void.
    -- squawk-ignore constraint-missing-not-valid
    ALTER TABLE guarantee_lines ADD COLUMN claim_within_seconds bigint NOT NULL DEFAULT 86400
        CONSTRAINT ck_guarantee_lines__claim_within_seconds CHECK (claim_within_seconds >= 0);
    -- Null: an order of the old release, whose hold ends with its use.
    ALTER TABLE service_orders ADD COLUMN use_ends_at timestamptz;
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE service_orders DROP COLUMN use_ends_at")
    op.execute("ALTER TABLE guarantee_lines DROP COLUMN claim_within_seconds")

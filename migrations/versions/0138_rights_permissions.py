"""The standing permission at WeChat Pay ends with the membership, and the identity waits for it."""

from alembic import op

revision = "0138"
down_revision = "0137"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    ALTER TABLE leavings ADD COLUMN permission_ended_at timestamptz;
    -- Of whom nothing is left, nothing can be asked at WeChat any more.
    UPDATE leavings SET permission_ended_at = erased_at WHERE erased_at IS NOT NULL;
    -- Few at a time, while WeChat answers.  Who leaves waits while the table is read once.
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_leavings__permission ON leavings (left_at) WHERE permission_ended_at IS NULL;
    GRANT UPDATE (permission_ended_at) ON leavings TO card_job;
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE leavings DROP COLUMN permission_ended_at")

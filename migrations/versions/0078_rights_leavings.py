"""Who has left, and how far the erasure is: the journal outside of the database is written from it."""

from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE leavings (
        citizen_id uuid NOT NULL,
        leaving_id uuid NOT NULL,
        channel text NOT NULL,
        left_at timestamptz NOT NULL,
        erase_by_at timestamptz NOT NULL,
        journaled_at timestamptz,
        reduced_at timestamptz,
        erased_at timestamptz,
        CONSTRAINT pk_leavings PRIMARY KEY (citizen_id),
        CONSTRAINT ck_leavings__channel CHECK (channel IN ('wechat', 'counter', 'relatives', 'restored')),
        CONSTRAINT ck_leavings__erase_by_at CHECK (erase_by_at <= left_at + interval '72 hours')
    );
    -- Few at a time: those who left in the last hours, or owe something.
    CREATE INDEX ix_leavings__left_at ON leavings (left_at) WHERE erased_at IS NULL;
    -- By the number on a receipt.
    CREATE TABLE leaving_receipts (
        leaving_id uuid NOT NULL,
        citizen_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_leaving_receipts PRIMARY KEY (leaving_id)
    );
    GRANT SELECT, INSERT ON leavings, leaving_receipts TO card_web, card_job;
    GRANT UPDATE (journaled_at, reduced_at, erased_at) ON leavings TO card_job;
    GRANT SELECT ON leavings TO card_report;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE leaving_receipts, leavings")

"""How far the database knows the deletion journal, so that the gate looks at all that came after."""

from alembic import op

revision = "0137"
down_revision = "0136"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- One row, and none before the first line.  Everybody up to that line has a leaving here; a
    -- restored database has the row of its backup, and looks up everybody after it.
    CREATE TABLE journal_ends (
        is_only boolean NOT NULL DEFAULT true,
        number bigint NOT NULL,
        digest text NOT NULL,
        end_bytes bigint NOT NULL,
        noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_journal_ends PRIMARY KEY (is_only),
        CONSTRAINT ck_journal_ends__is_only CHECK (is_only),
        CONSTRAINT ck_journal_ends__number CHECK (number > 0 AND end_bytes > 0)
    );
    GRANT SELECT ON journal_ends TO card_web, card_report;
    GRANT SELECT, INSERT, UPDATE (number, digest, end_bytes, noted_at) ON journal_ends TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE journal_ends")

"""What the last run of each standing check found."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE check_results (
        name text NOT NULL,
        finding_count bigint NOT NULL,
        checked_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_check_results PRIMARY KEY (name)
    );
    GRANT SELECT ON check_results TO card_web, card_report;
    GRANT SELECT, INSERT, UPDATE ON check_results TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE check_results")

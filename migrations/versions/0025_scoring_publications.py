"""What is published under lasting addresses: exact bytes, written once by the worker."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE publications (
        kind text NOT NULL,
        name text NOT NULL,
        published_on date NOT NULL,
        content bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_publications PRIMARY KEY (kind, name)
    );
    GRANT SELECT ON publications TO card_web, card_report;
    GRANT SELECT, INSERT ON publications TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE publications")

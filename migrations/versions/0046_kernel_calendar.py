"""Years of the public calendar of working days that an operator has loaded."""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE calendar_years (
        year bigint NOT NULL,
        days_off jsonb NOT NULL,
        working_weekends jsonb NOT NULL,
        loaded_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_calendar_years PRIMARY KEY (year),
        CONSTRAINT ck_calendar_years__year CHECK (year BETWEEN 2020 AND 2200)
    );
    GRANT SELECT, INSERT, UPDATE ON calendar_years TO card_web;
    GRANT SELECT ON calendar_years TO card_job, card_report;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE calendar_years")

"""What a source may deliver in one day of the city, and what it has delivered."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    ALTER TABLE sources
        ADD COLUMN deliveries_per_day bigint NOT NULL DEFAULT 1000,
        ADD COLUMN bytes_per_day bigint NOT NULL DEFAULT 5000000000,
        ADD COLUMN rows_per_day bigint NOT NULL DEFAULT 20000000;
    CREATE TABLE source_days (
        source_id uuid NOT NULL,
        counted_on date NOT NULL,
        delivery_count bigint NOT NULL,
        byte_count bigint NOT NULL,
        row_count bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_source_days PRIMARY KEY (source_id, counted_on),
        CONSTRAINT fk_source_days__source_id
            FOREIGN KEY (source_id) REFERENCES sources (source_id)
    );
    GRANT SELECT, INSERT, UPDATE (delivery_count, byte_count, row_count) ON source_days
        TO card_web, card_job;
    GRANT UPDATE (deliveries_per_day, bytes_per_day, rows_per_day) ON sources TO card_web;
    """)


def downgrade() -> None:
    op.execute("""
    DROP TABLE source_days;
    ALTER TABLE sources
        DROP COLUMN deliveries_per_day, DROP COLUMN bytes_per_day, DROP COLUMN rows_per_day;
    """)

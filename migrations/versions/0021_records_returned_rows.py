"""Refused rows, sealed for a while, to be mended by who sent them."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE delivery_returns (
        delivery_id uuid NOT NULL,
        wrapped_key bytea NOT NULL,
        header_sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_delivery_returns PRIMARY KEY (delivery_id),
        CONSTRAINT fk_delivery_returns__delivery_id
            FOREIGN KEY (delivery_id) REFERENCES deliveries (delivery_id)
    );
    CREATE INDEX ix_delivery_returns__created_at ON delivery_returns (created_at);
    CREATE TABLE returned_rows (
        delivery_id uuid NOT NULL,
        row_number bigint NOT NULL,
        cells_sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_returned_rows PRIMARY KEY (delivery_id, row_number),
        CONSTRAINT fk_returned_rows__delivery_id FOREIGN KEY (delivery_id)
            REFERENCES delivery_returns (delivery_id) ON DELETE CASCADE
    );
    GRANT SELECT, INSERT ON delivery_returns, returned_rows TO card_web, card_job;
    GRANT DELETE ON delivery_returns TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE returned_rows, delivery_returns")

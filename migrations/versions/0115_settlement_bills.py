"""WeChat Pay's bills, day by day: what orders came to there, by the numbers they have there."""

from alembic import op

revision = "0115"
down_revision = "0114"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE settlement_bills (
        bill_on date NOT NULL,
        line_count bigint NOT NULL,
        paid_fen bigint NOT NULL,
        refunded_fen bigint NOT NULL,
        fetched_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_settlement_bills PRIMARY KEY (bill_on)
    );
    CREATE TABLE settlement_bill_lines (
        bill_on date NOT NULL,
        number bigint NOT NULL,
        order_number text NOT NULL,
        paid_fen bigint NOT NULL,
        refunded_fen bigint NOT NULL,
        CONSTRAINT pk_settlement_bill_lines PRIMARY KEY (bill_on, number),
        CONSTRAINT fk_settlement_bill_lines__bill_on FOREIGN KEY (bill_on)
            REFERENCES settlement_bills (bill_on) ON DELETE CASCADE,
        CONSTRAINT ck_settlement_bill_lines__amounts CHECK (paid_fen >= 0 AND refunded_fen >= 0)
    );
    CREATE INDEX ix_settlement_bill_lines__order_number ON settlement_bill_lines (order_number);
    GRANT SELECT, INSERT, DELETE ON settlement_bills TO card_job;
    GRANT SELECT, INSERT ON settlement_bill_lines TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE settlement_bill_lines")
    op.execute("DROP TABLE settlement_bills")

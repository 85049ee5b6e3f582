"""Days that were reconciled: counts by class, and each thing that matches nothing."""

from alembic import op

revision = "0093"
down_revision = "0092"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE settlement_reconciliations (
        day_on date NOT NULL,
        comparison text NOT NULL,
        class text NOT NULL,
        item_count bigint NOT NULL,
        checked_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_settlement_reconciliations PRIMARY KEY (day_on, comparison, class)
    );
    -- `subject` is the id of a redemption, annulment, transfer or order, or a kind of sheet line.
    CREATE TABLE settlement_mismatches (
        day_on date NOT NULL,
        number bigint NOT NULL,
        comparison text NOT NULL,
        class text NOT NULL,
        subject text NOT NULL,
        merchant_id uuid,
        unit text NOT NULL,
        our_amount bigint,
        their_amount bigint,
        happened_at timestamptz NOT NULL,
        CONSTRAINT pk_settlement_mismatches PRIMARY KEY (day_on, number),
        CONSTRAINT ck_settlement_mismatches__unit CHECK (unit IN ('points', 'fen', 'items'))
    );
    SELECT merchant_wall('settlement_mismatches');
    GRANT SELECT ON settlement_reconciliations, settlement_mismatches TO card_web, card_job;
    GRANT INSERT, DELETE ON settlement_reconciliations, settlement_mismatches TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE settlement_mismatches")
    op.execute("DROP TABLE settlement_reconciliations")

"""Complaints of citizens about their redemptions: answered by the merchant, else decided by an operator."""

from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- The words are sealed under the citizen's key.  One complaint for each redemption.
    CREATE TABLE complaints (
        citizen_id uuid NOT NULL,
        complaint_id uuid NOT NULL,
        voucher_id uuid NOT NULL,
        redemption_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        shop_id uuid NOT NULL,
        category text NOT NULL,
        text_sealed bytea,
        text_shared boolean NOT NULL,
        due_on date NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_complaints PRIMARY KEY (citizen_id, complaint_id),
        CONSTRAINT uq_complaints__citizen_id_voucher_id UNIQUE (citizen_id, voucher_id),
        CONSTRAINT ck_complaints__text_shared CHECK (text_sealed IS NOT NULL OR NOT text_shared)
    );
    CREATE INDEX ix_complaints__complaint_id ON complaints (complaint_id);
    CREATE INDEX ix_complaints__merchant_id_complaint_id ON complaints (merchant_id, complaint_id);
    CREATE INDEX ix_complaints__due_on ON complaints (due_on);
    CREATE TABLE complaint_answers (
        citizen_id uuid NOT NULL,
        complaint_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        answer_sealed bytea NOT NULL,
        answered_by uuid NOT NULL,
        answered_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_complaint_answers PRIMARY KEY (citizen_id, complaint_id),
        CONSTRAINT fk_complaint_answers__citizen_id_complaint_id
            FOREIGN KEY (citizen_id, complaint_id) REFERENCES complaints (citizen_id, complaint_id)
    );
    CREATE TABLE complaint_decisions (
        citizen_id uuid NOT NULL,
        complaint_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        outcome text NOT NULL,
        reason_sealed bytea NOT NULL,
        decided_by uuid NOT NULL,
        decided_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_complaint_decisions PRIMARY KEY (citizen_id, complaint_id),
        CONSTRAINT fk_complaint_decisions__citizen_id_complaint_id
            FOREIGN KEY (citizen_id, complaint_id) REFERENCES complaints (citizen_id, complaint_id),
        CONSTRAINT ck_complaint_decisions__outcome CHECK (outcome IN ('upheld', 'rejected'))
    );
    SELECT merchant_wall('complaints');
    SELECT merchant_wall('complaint_answers');
    SELECT merchant_wall('complaint_decisions');
    GRANT SELECT, INSERT ON complaints, complaint_answers, complaint_decisions TO card_web;
    GRANT SELECT ON complaints, complaint_answers, complaint_decisions TO card_job;
    """)


def downgrade() -> None:
    for table in ("complaint_decisions", "complaint_answers", "complaints"):
        op.execute(f"DROP TABLE {table}")

"""Guarantee lines that two operators made, service orders on them, and what happened to each."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

LINES = """
-- Whose money stands behind an order.  The city's platform is no guarantor, and what a clinic lends is
-- a bank's or a hospital's.
CREATE TABLE guarantee_lines (
    line_id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    guarantor_kind text NOT NULL,
    guarantor_code text NOT NULL,
    guarantor_name text NOT NULL,
    merchant_ids uuid[] NOT NULL,
    tiers jsonb NOT NULL,
    confirm_above_fen bigint NOT NULL,
    start_within_seconds bigint NOT NULL,
    use_within_seconds bigint NOT NULL,
    pay_within_days bigint NOT NULL,
    collection text NOT NULL,
    proposed_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_guarantee_lines PRIMARY KEY (line_id),
    CONSTRAINT ck_guarantee_lines__kind CHECK (kind IN ('rental', 'clinic')),
    CONSTRAINT ck_guarantee_lines__guarantor_kind CHECK (
        guarantor_kind IN ('bank', 'hospital')
        OR kind = 'rental' AND guarantor_kind IN ('merchant', 'fund')),
    CONSTRAINT ck_guarantee_lines__collection CHECK (collection IN ('counter', 'pay_score')),
    CONSTRAINT ck_guarantee_lines__confirm_above_fen CHECK (confirm_above_fen >= 0),
    CONSTRAINT ck_guarantee_lines__times CHECK (
        start_within_seconds > 0 AND use_within_seconds > 0 AND pay_within_days >= 0)
);
CREATE TABLE guarantee_line_decisions (
    line_id uuid NOT NULL,
    decided_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_guarantee_line_decisions PRIMARY KEY (line_id),
    CONSTRAINT fk_guarantee_line_decisions__line_id
        FOREIGN KEY (line_id) REFERENCES guarantee_lines (line_id)
);
"""

ORDERS = """
CREATE TABLE service_orders (
    citizen_id uuid NOT NULL,
    order_id uuid NOT NULL,
    line_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    merchant_id uuid,
    hold_id uuid NOT NULL,
    held_fen bigint NOT NULL,
    hold_expires_at timestamptz NOT NULL,
    nonce text,
    billed_fen bigint NOT NULL DEFAULT 0,
    insured_fen bigint NOT NULL DEFAULT 0,
    owed_fen bigint NOT NULL DEFAULT 0,
    step_count bigint NOT NULL DEFAULT 0,
    deadline_at timestamptz,
    due_at timestamptz,
    remind_at timestamptz,
    debit_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_service_orders PRIMARY KEY (citizen_id, order_id),
    CONSTRAINT fk_service_orders__line_id FOREIGN KEY (line_id) REFERENCES guarantee_lines (line_id),
    CONSTRAINT ck_service_orders__state CHECK (state IN (
        'created', 'confirming', 'in_use', 'completed', 'claimed', 'bill_disputed',
        'claim_disputed', 'paid', 'repaid', 'released', 'cancelled', 'expired')),
    -- What is held ends at a time, what is owed is due at one.
    CONSTRAINT ck_service_orders__times CHECK (
        (deadline_at IS NOT NULL) = (state IN ('created', 'confirming', 'in_use'))
        AND (due_at IS NOT NULL) = (state IN ('completed', 'claimed'))),
    CONSTRAINT ck_service_orders__amounts CHECK (
        held_fen > 0 AND owed_fen BETWEEN 0 AND held_fen AND insured_fen BETWEEN 0 AND billed_fen
        AND (owed_fen > 0)
            = (state IN ('completed', 'claimed', 'bill_disputed', 'claim_disputed')))
);
CREATE INDEX ix_service_orders__deadline_at ON service_orders (deadline_at)
    WHERE deadline_at IS NOT NULL;
CREATE INDEX ix_service_orders__remind_at ON service_orders (remind_at) WHERE remind_at IS NOT NULL;
CREATE INDEX ix_service_orders__debit_at ON service_orders (debit_at) WHERE debit_at IS NOT NULL;
CREATE INDEX ix_service_orders__merchant_id ON service_orders (merchant_id, created_at);

CREATE TABLE service_order_steps (
    citizen_id uuid NOT NULL,
    order_id uuid NOT NULL,
    number bigint NOT NULL,
    act_id uuid NOT NULL,
    request_digest bytea NOT NULL,
    event text NOT NULL,
    state text NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    amount_fen bigint NOT NULL,
    transfer_id uuid,
    happened_at timestamptz NOT NULL,
    CONSTRAINT pk_service_order_steps PRIMARY KEY (citizen_id, order_id, number),
    CONSTRAINT uq_service_order_steps__citizen_id_act_id UNIQUE (citizen_id, act_id),
    CONSTRAINT fk_service_order_steps__citizen_id_order_id FOREIGN KEY (citizen_id, order_id)
        REFERENCES service_orders (citizen_id, order_id)
);
"""

CHANGING = """state, merchant_id, nonce, billed_fen, insured_fen, owed_fen, step_count,
    deadline_at, due_at, remind_at, debit_at"""
GRANTS = f"""
GRANT SELECT, INSERT ON guarantee_lines, guarantee_line_decisions TO card_web;
GRANT SELECT ON guarantee_lines, guarantee_line_decisions TO card_job, card_report;
GRANT SELECT, INSERT, UPDATE ({CHANGING}) ON service_orders TO card_web;
GRANT SELECT, UPDATE ({CHANGING}) ON service_orders TO card_job;
GRANT SELECT, INSERT ON service_order_steps TO card_web, card_job;
GRANT SELECT ON service_orders, service_order_steps TO card_report;
"""


def upgrade() -> None:
    op.execute(LINES)
    op.execute(ORDERS)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE service_order_steps, service_orders")
    op.execute("DROP TABLE guarantee_line_decisions, guarantee_lines")

"""Months, sheets and their lines, what merchants say to them, corrections."""

from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

TABLES = """
-- One operator proposes to close a month, another confirms; the key allows one confirmation.
CREATE TABLE settlement_closings (
    closing_id uuid NOT NULL,
    month_on date NOT NULL,
    carried_over_count bigint NOT NULL,
    reason text NOT NULL,
    proposed_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_settlement_closings PRIMARY KEY (closing_id),
    CONSTRAINT ck_settlement_closings__month_on CHECK (extract(day FROM month_on) = 1)
);
CREATE TABLE settlement_confirmations (
    month_on date NOT NULL,
    closing_id uuid NOT NULL,
    confirmed_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_settlement_confirmations PRIMARY KEY (month_on),
    CONSTRAINT fk_settlement_confirmations__closing_id
        FOREIGN KEY (closing_id) REFERENCES settlement_closings (closing_id)
);
-- Written in the statement that freezes the sheets.
CREATE TABLE settlement_months (
    month_on date NOT NULL,
    sheet_count bigint NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_settlement_months PRIMARY KEY (month_on)
);
CREATE TABLE settlement_sheets (
    merchant_id uuid NOT NULL,
    month_on date NOT NULL,
    line_count bigint NOT NULL,
    amount_points bigint NOT NULL,
    subsidy_fen bigint NOT NULL,
    order_fen bigint NOT NULL,
    owed_fen bigint NOT NULL,
    digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_settlement_sheets PRIMARY KEY (merchant_id, month_on)
);
-- `booked_on` is the day in the city on which it was written down, `origin_month_on` the month in which
-- it happened: a line booked before its sheet's month came too late for an earlier sheet.
CREATE TABLE settlement_lines (
    merchant_id uuid NOT NULL,
    month_on date NOT NULL,
    number bigint NOT NULL,
    shop_id uuid,
    kind text NOT NULL,
    what text,
    version bigint,
    party text,
    booked_on date NOT NULL,
    origin_month_on date NOT NULL,
    item_count bigint NOT NULL,
    amount_points bigint NOT NULL,
    subsidy_fen bigint NOT NULL,
    order_fen bigint NOT NULL,
    owed_fen bigint NOT NULL,
    CONSTRAINT pk_settlement_lines PRIMARY KEY (merchant_id, month_on, number),
    CONSTRAINT fk_settlement_lines__merchant_id_month_on FOREIGN KEY (merchant_id, month_on)
        REFERENCES settlement_sheets (merchant_id, month_on)
);
CREATE INDEX ix_settlement_lines__booked_on ON settlement_lines (booked_on);
CREATE TABLE settlement_answers (
    merchant_id uuid NOT NULL,
    month_on date NOT NULL,
    answer text NOT NULL,
    reason text NOT NULL,
    answered_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_settlement_answers PRIMARY KEY (merchant_id, month_on),
    CONSTRAINT fk_settlement_answers__merchant_id_month_on FOREIGN KEY (merchant_id, month_on)
        REFERENCES settlement_sheets (merchant_id, month_on),
    CONSTRAINT ck_settlement_answers__answer CHECK (answer IN ('accepted', 'objected'))
);
CREATE TABLE settlement_corrections (
    correction_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    origin_month_on date NOT NULL,
    amount_fen bigint NOT NULL,
    reason text NOT NULL,
    corrected_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_settlement_corrections PRIMARY KEY (correction_id)
);
CREATE INDEX ix_settlement_corrections__merchant_id ON settlement_corrections (merchant_id);
"""
NAMES = (
    "settlement_closings", "settlement_confirmations", "settlement_months", "settlement_sheets",
    "settlement_lines", "settlement_answers", "settlement_corrections",
)  # fmt: skip
# Nothing here is ever changed; sheets are frozen by the worker alone.
GRANTS = """
GRANT SELECT ON settlement_closings, settlement_confirmations, settlement_months, settlement_sheets,
    settlement_lines, settlement_answers, settlement_corrections
    TO card_web, card_job, card_report;
GRANT INSERT ON settlement_closings, settlement_confirmations, settlement_answers,
    settlement_corrections TO card_web;
GRANT INSERT ON settlement_months, settlement_sheets, settlement_lines TO card_job;
"""


WALLED = ("settlement_sheets", "settlement_lines", "settlement_answers", "settlement_corrections")


def upgrade() -> None:
    op.execute(TABLES)
    for table in WALLED:
        op.execute(f"SELECT merchant_wall('{table}')")
    op.execute(GRANTS)


def downgrade() -> None:
    for table in reversed(NAMES):
        op.execute(f"DROP TABLE {table}")

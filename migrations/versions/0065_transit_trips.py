"""Transit: trips as operators report them, what became of each, sums by accounting day."""

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

REPORTS = """
-- A batch and the answer to it; the same batch again gets the same answer.
CREATE TABLE transit_batches (
    merchant_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    request_digest bytea NOT NULL,
    answer jsonb NOT NULL DEFAULT '[]',
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_transit_batches PRIMARY KEY (merchant_id, batch_id)
);
-- What an operator says of a trip: one row for each different report.  A row with a fault names
-- nobody, no place and no time, unless the fault is that two reports contradict each other.
-- closes_at: from then on nothing of that day can come any more, and the day is settled.
CREATE TABLE transit_reports (
    merchant_id uuid NOT NULL,
    trip_id text NOT NULL,
    report_digest bytea NOT NULL,
    batch_id uuid NOT NULL,
    row_number bigint NOT NULL,
    fault text,
    citizen_id uuid,
    code_percent bigint,
    tap_in_at timestamptz,
    tap_in_place text,
    tap_out_at timestamptz,
    tap_out_place text,
    tap_in_on date,
    fare_fen bigint NOT NULL,
    closes_at timestamptz,
    settled_on date,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_transit_reports PRIMARY KEY (merchant_id, trip_id, report_digest),
    CONSTRAINT ck_transit_reports__fault CHECK (
        fault IS NOT NULL OR citizen_id IS NOT NULL AND tap_in_at IS NOT NULL
            AND tap_in_on IS NOT NULL AND closes_at IS NOT NULL),
    CONSTRAINT ck_transit_reports__fare_fen CHECK (fare_fen >= 0)
);
CREATE INDEX ix_transit_reports__closes_at ON transit_reports (closes_at)
    WHERE fault IS NULL AND settled_on IS NULL;
CREATE INDEX ix_transit_reports__citizen_id ON transit_reports (citizen_id, tap_in_on);
CREATE INDEX ix_transit_reports__received_at ON transit_reports (merchant_id, received_at);
"""
TRIPS = """
-- A trip whose day is settled: what was taken off the fare, and what of it is subsidised.
CREATE TABLE transit_trips (
    citizen_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    trip_id text NOT NULL,
    tap_in_at timestamptz NOT NULL,
    fare_fen bigint NOT NULL,
    price_percent bigint NOT NULL,
    discount_fen bigint NOT NULL,
    subsidy_fen bigint NOT NULL,
    outcome text NOT NULL,
    accounting_on date NOT NULL,
    CONSTRAINT pk_transit_trips PRIMARY KEY (citizen_id, merchant_id, trip_id),
    CONSTRAINT ck_transit_trips__amounts CHECK (
        price_percent BETWEEN 0 AND 100 AND subsidy_fen BETWEEN 0 AND discount_fen
        AND discount_fen <= fare_fen)
);
CREATE INDEX ix_transit_trips__accounting_on ON transit_trips (accounting_on);
-- What stays: sums of an operator by the day on which its trips became final.
CREATE TABLE transit_days (
    merchant_id uuid NOT NULL,
    accounting_on date NOT NULL,
    benefit_code text NOT NULL,
    trip_count bigint NOT NULL,
    fare_fen bigint NOT NULL,
    discount_fen bigint NOT NULL,
    subsidy_fen bigint NOT NULL,
    CONSTRAINT pk_transit_days PRIMARY KEY (merchant_id, accounting_on, benefit_code),
    CONSTRAINT ck_transit_days__amounts CHECK (
        trip_count > 0 AND subsidy_fen BETWEEN 0 AND discount_fen AND discount_fen <= fare_fen)
);
"""
WALLED = ("transit_batches", "transit_reports", "transit_trips", "transit_days")
GRANTS = """
GRANT SELECT, INSERT, DELETE ON transit_batches, transit_reports TO card_web, card_job;
GRANT UPDATE (answer) ON transit_batches TO card_web;
GRANT UPDATE (fault, settled_on) ON transit_reports TO card_web, card_job;
GRANT SELECT, INSERT, DELETE ON transit_trips TO card_web, card_job;
GRANT SELECT, INSERT ON transit_days TO card_web, card_job;
GRANT UPDATE (trip_count, fare_fen, discount_fen, subsidy_fen) ON transit_days
    TO card_web, card_job;
GRANT SELECT ON transit_trips, transit_days TO card_report;
"""


def upgrade() -> None:
    op.execute(REPORTS)
    op.execute(TRIPS)
    op.execute(GRANTS)
    for table in WALLED:
        op.execute(f"SELECT merchant_wall('{table}')")


def downgrade() -> None:
    op.execute("""
    DROP TABLE transit_days;
    DROP TABLE transit_trips;
    DROP TABLE transit_reports;
    DROP TABLE transit_batches;
    """)

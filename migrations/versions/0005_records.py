"""Sources, deliveries with their reports, and the versions of records."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
-- What a source machine may deliver; the account itself stands with the members.
CREATE TABLE sources (
    source_id uuid NOT NULL,
    unit text NOT NULL,
    record_types text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_sources PRIMARY KEY (source_id),
    CONSTRAINT fk_sources__source_id FOREIGN KEY (source_id) REFERENCES source_accounts (source_id)
);
CREATE TABLE deliveries (
    delivery_id uuid NOT NULL,
    seq bigint NOT NULL,
    source_id uuid,
    staff_id uuid,
    record_type text NOT NULL,
    file_name text NOT NULL,
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    encoding text NOT NULL,
    delivered_on date NOT NULL,
    status text NOT NULL,
    file_reason text,
    row_count bigint NOT NULL,
    blank_count bigint NOT NULL,
    accepted_count bigint NOT NULL,
    corrected_count bigint NOT NULL,
    voided_count bigint NOT NULL,
    duplicate_count bigint NOT NULL,
    superseded_count bigint NOT NULL,
    dropped_count bigint NOT NULL,
    refused_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_deliveries PRIMARY KEY (delivery_id),
    CONSTRAINT uq_deliveries__seq UNIQUE (seq),
    CONSTRAINT fk_deliveries__source_id FOREIGN KEY (source_id) REFERENCES sources (source_id),
    CONSTRAINT ck_deliveries__status CHECK (status IN ('processed', 'refused')),
    CONSTRAINT ck_deliveries__file_reason CHECK ((status = 'refused') = (file_reason IS NOT NULL)),
    CONSTRAINT ck_deliveries__one_sender CHECK ((source_id IS NULL) <> (staff_id IS NULL)),
    CONSTRAINT ck_deliveries__sum CHECK (row_count = accepted_count + corrected_count
        + voided_count + duplicate_count + superseded_count + dropped_count + refused_count)
);
CREATE INDEX ix_deliveries__delivered_on ON deliveries (delivered_on);
-- Where and why, nothing of what stood there.
CREATE TABLE delivery_refusals (
    delivery_id uuid NOT NULL,
    row_number bigint NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_delivery_refusals PRIMARY KEY (delivery_id, row_number),
    CONSTRAINT fk_delivery_refusals__delivery_id
        FOREIGN KEY (delivery_id) REFERENCES deliveries (delivery_id)
);
-- Days before the last one processed that an operator opened again for a while.
CREATE TABLE reopened_days (
    reopening_id uuid NOT NULL,
    delivered_on date NOT NULL,
    staff_id uuid NOT NULL,
    reason text NOT NULL,
    closes_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_reopened_days PRIMARY KEY (reopening_id)
);
CREATE INDEX ix_reopened_days__delivered_on ON reopened_days (delivered_on);
-- Versions are added, never edited.  A version is in force from delivered_on until the day on which
-- a higher one was delivered, replaced_on: what was true on a past day stays true.
CREATE TABLE records (
    citizen_id uuid NOT NULL,
    record_type text NOT NULL,
    record_number text NOT NULL,
    version bigint NOT NULL,
    is_void boolean NOT NULL,
    event_on date,
    item text,
    measures jsonb NOT NULL,
    details_sealed bytea,
    content_digest bytea NOT NULL,
    delivery_id uuid NOT NULL,
    row_number bigint NOT NULL,
    delivered_on date NOT NULL,
    replaced_on date,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_records PRIMARY KEY (citizen_id, record_type, record_number, version),
    CONSTRAINT ck_records__version CHECK (version BETWEEN 1 AND 9999),
    CONSTRAINT ck_records__event CHECK (is_void = (event_on IS NULL))
);
-- Whose record a number is: distributed by the number, which is what is looked up.
CREATE TABLE record_holders (
    record_number text NOT NULL,
    record_type text NOT NULL,
    citizen_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_record_holders PRIMARY KEY (record_number, record_type)
);
CREATE INDEX ix_record_holders__citizen_id ON record_holders (citizen_id);
"""

# Plain SQL without SET, so that the planner can look into it and use the caller's conditions.
FUNCTIONS = """
CREATE FUNCTION records_live(as_of date)
RETURNS TABLE (citizen_id uuid, record_type text, record_number text, version bigint,
               event_on date, item text, measures jsonb, delivery_id uuid, row_number bigint)
LANGUAGE sql STABLE AS $$
    SELECT r.citizen_id, r.record_type, r.record_number, r.version, r.event_on, r.item, r.measures,
           r.delivery_id, r.row_number
    FROM public.records r
    WHERE NOT r.is_void AND r.delivered_on <= as_of
      AND (r.replaced_on IS NULL OR r.replaced_on > as_of)
$$;
"""

GRANTS = """
GRANT SELECT, INSERT ON sources, deliveries, delivery_refusals, reopened_days, records,
    record_holders TO card_web, card_job;
GRANT UPDATE (unit, record_types) ON sources TO card_web;
GRANT UPDATE (replaced_on) ON records TO card_web, card_job;
GRANT SELECT ON sources, deliveries, delivery_refusals TO card_report;
GRANT EXECUTE ON FUNCTION records_live(date) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION records_live(date)")
    op.execute("DROP TABLE record_holders, records, reopened_days, delivery_refusals, deliveries, sources")

"""Libraries: their machines, and deposits that are waived until the reader gives the waiver back."""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

TABLES = """
-- A machine that asks over SIP2; of its password a keyed hash is kept.
CREATE TABLE library_machines (
    machine_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    name text NOT NULL,
    encoding text NOT NULL,
    secret_hash bytea NOT NULL,
    suspended boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_library_machines PRIMARY KEY (machine_id),
    CONSTRAINT fk_library_machines__shop_id FOREIGN KEY (shop_id) REFERENCES shops (shop_id),
    CONSTRAINT ck_library_machines__encoding CHECK (encoding IN ('utf-8', 'gb18030'))
);
CREATE INDEX ix_library_machines__merchant_id ON library_machines (merchant_id, created_at);

-- reader_hash stands for the library's own account of the reader; which one, the library knows.
CREATE TABLE library_waivers (
    citizen_id uuid NOT NULL,
    waiver_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    kind text NOT NULL,
    reader_hash bytea NOT NULL,
    reference_digest bytea NOT NULL,
    registered_by uuid NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    returned_by uuid,
    returned_at timestamptz,
    CONSTRAINT pk_library_waivers PRIMARY KEY (citizen_id, waiver_id),
    CONSTRAINT uq_library_waivers__citizen_id_reference_digest UNIQUE (citizen_id, reference_digest),
    CONSTRAINT ck_library_waivers__kind CHECK (kind IN ('reader', 'children')),
    CONSTRAINT ck_library_waivers__returned CHECK ((returned_at IS NULL) = (returned_by IS NULL))
);
CREATE UNIQUE INDEX uq_library_waivers__live ON library_waivers (citizen_id, merchant_id, kind)
    WHERE returned_at IS NULL;
CREATE INDEX ix_library_waivers__live ON library_waivers (merchant_id, registered_at)
    WHERE returned_at IS NULL;
CREATE INDEX ix_library_waivers__reader_hash ON library_waivers (reader_hash)
    WHERE returned_at IS NULL;

GRANT SELECT, INSERT ON library_machines, library_waivers TO card_web;
GRANT UPDATE (secret_hash, suspended) ON library_machines TO card_web;
GRANT UPDATE (returned_by, returned_at) ON library_waivers TO card_web;
GRANT SELECT ON library_machines, library_waivers TO card_job;
GRANT SELECT (citizen_id, waiver_id, merchant_id, shop_id, kind, registered_at, returned_at)
    ON library_waivers TO card_report;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("SELECT merchant_wall('library_machines')")
    op.execute("SELECT merchant_wall('library_waivers')")


def downgrade() -> None:
    op.execute("DROP TABLE library_waivers")
    op.execute("DROP TABLE library_machines")

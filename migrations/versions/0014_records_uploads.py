"""Deliveries are kept sealed until they are taken, and taken chunk by chunk."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = """
-- A file on its way in: sealed parts under a key of its own, so that any worker can go on with it.
CREATE TABLE delivery_uploads (
    upload_id uuid NOT NULL,
    wrapped_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_delivery_uploads PRIMARY KEY (upload_id)
);
CREATE TABLE delivery_parts (
    upload_id uuid NOT NULL,
    part bigint NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_delivery_parts PRIMARY KEY (upload_id, part),
    CONSTRAINT fk_delivery_parts__upload_id FOREIGN KEY (upload_id)
        REFERENCES delivery_uploads (upload_id) ON DELETE CASCADE
);
-- What is sealed cannot be compressed.
ALTER TABLE delivery_parts ALTER COLUMN sealed SET STORAGE EXTERNAL;
"""

# taken_row and the counts are the checkpoint; claimed_by and claimed_until say who works on it.
DELIVERIES = """
ALTER TABLE deliveries
    ADD COLUMN upload_id uuid,
    ADD COLUMN found_count bigint,
    ADD COLUMN taken_row bigint NOT NULL DEFAULT 0,
    ADD COLUMN tries bigint NOT NULL DEFAULT 0,
    ADD COLUMN claimed_by uuid,
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN finished_at timestamptz;
UPDATE deliveries SET found_count = row_count + blank_count, finished_at = created_at;
-- A file of the code before this has no finished_at, and is finished when it is written.
-- The table has a row for each file of a city: thousands, looked through in a moment.
-- squawk-ignore ban-drop-constraint
ALTER TABLE deliveries DROP CONSTRAINT ck_deliveries__status;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE deliveries ADD CONSTRAINT ck_deliveries__status CHECK (status IN
        ('waiting', 'running', 'processed', 'refused', 'cancelled', 'failed'));
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE deliveries ADD CONSTRAINT ck_deliveries__upload
    CHECK ((status IN ('waiting', 'running')) = (upload_id IS NOT NULL));
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE deliveries ADD CONSTRAINT ck_deliveries__finished
    CHECK (status NOT IN ('waiting', 'running') OR finished_at IS NULL);
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
ALTER TABLE deliveries ADD CONSTRAINT fk_deliveries__upload_id FOREIGN KEY (upload_id)
    REFERENCES delivery_uploads (upload_id);
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON delivery_uploads, delivery_parts TO card_web, card_job;
GRANT UPDATE (status, file_reason, upload_id, found_count, taken_row, tries, claimed_by,
    claimed_until, cancelled_at, finished_at, row_count, blank_count, accepted_count,
    corrected_count, voided_count, duplicate_count, superseded_count, dropped_count, refused_count)
    ON deliveries TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(DELIVERIES)
    op.execute(GRANTS)


def downgrade() -> None:
    # What was taken of an unfinished delivery stays and is reported; one without rows is sent again.
    op.execute("""
    DELETE FROM deliveries WHERE status NOT IN ('processed', 'refused') AND row_count = 0;
    UPDATE deliveries SET status = 'processed', upload_id = NULL, finished_at = now()
        WHERE status NOT IN ('processed', 'refused');
    ALTER TABLE deliveries DROP COLUMN upload_id, DROP COLUMN found_count, DROP COLUMN taken_row,
        DROP COLUMN tries, DROP COLUMN claimed_by, DROP COLUMN claimed_until,
        DROP COLUMN cancelled_at, DROP COLUMN finished_at,
        DROP CONSTRAINT ck_deliveries__status;
    ALTER TABLE deliveries ADD CONSTRAINT ck_deliveries__status
        CHECK (status IN ('processed', 'refused'));
    DROP TABLE delivery_parts, delivery_uploads;
    REVOKE UPDATE (status, file_reason, row_count, blank_count, accepted_count, corrected_count,
        voided_count, duplicate_count, superseded_count, dropped_count, refused_count)
        ON deliveries FROM card_web, card_job;
    """)

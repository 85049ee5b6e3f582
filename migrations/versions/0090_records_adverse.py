"""Until when each adverse record counts, and whether its receivers were told that it has ended."""

from alembic import op

revision = "0090"
down_revision = "0089"
branch_labels = None
depends_on = None

ERASE = """
    CREATE OR REPLACE FUNCTION records_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;{more}
        DELETE FROM record_holders h WHERE h.citizen_id = citizen;
        DELETE FROM records r WHERE r.citizen_id = citizen;
    END $$
"""


def upgrade() -> None:
    op.execute("""
    CREATE TABLE adverse_records (
        citizen_id uuid NOT NULL,
        record_type text NOT NULL,
        record_number text NOT NULL,
        event_on date NOT NULL,
        ends_on date NOT NULL,
        repaired_on date,
        told_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_adverse_records PRIMARY KEY (citizen_id, record_type, record_number),
        CONSTRAINT ck_adverse_records__repaired_on CHECK (ends_on <= repaired_on)
    );
    CREATE INDEX ix_adverse_records__ends_on ON adverse_records (ends_on) WHERE told_at IS NULL;
    """)
    op.execute("""
    GRANT SELECT, INSERT, UPDATE (event_on, ends_on, repaired_on, told_at) ON adverse_records
        TO card_web, card_job;
    GRANT SELECT ON adverse_records TO card_report;
    """)
    op.execute(ERASE.format(
        more="\n        DELETE FROM adverse_records a WHERE a.citizen_id = citizen;"
    ))


def downgrade() -> None:
    op.execute(ERASE.format(more=""))
    op.execute("DROP TABLE adverse_records")

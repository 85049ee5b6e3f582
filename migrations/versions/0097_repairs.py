"""Applications for credit repair, and notices to those who were told what has ended."""

from alembic import op

revision = "0097"
down_revision = "0096"
branch_labels = None
depends_on = None

ERASE = "repairs_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE repair_applications (
        citizen_id uuid NOT NULL,
        application_id uuid NOT NULL,
        record_type text NOT NULL,
        record_number text NOT NULL,
        evidence_sealed bytea NOT NULL,
        commitment_sealed bytea NOT NULL,
        state text NOT NULL DEFAULT 'open',
        filed_on date NOT NULL,
        decide_due_on date NOT NULL,
        reasons_sealed bytea,
        decided_by uuid,
        decided_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_repair_applications PRIMARY KEY (citizen_id, application_id),
        CONSTRAINT ck_repair_applications__state CHECK (
            state IN ('open', 'granted', 'rejected')
            AND (state = 'open') = (decided_by IS NULL)
            AND (state = 'open') = (decided_at IS NULL)
            AND (state = 'open') = (reasons_sealed IS NULL))
    );
    CREATE UNIQUE INDEX uq_repair_applications__open
        ON repair_applications (citizen_id, record_type, record_number) WHERE state = 'open';
    CREATE INDEX ix_repair_applications__application_id ON repair_applications (application_id);
    CREATE INDEX ix_repair_applications__decide_due_on
        ON repair_applications (decide_due_on, application_id) WHERE state = 'open';
    CREATE TABLE end_notices (
        citizen_id uuid NOT NULL,
        notice_id uuid NOT NULL,
        receiver_kind text NOT NULL,
        receiver_id uuid NOT NULL,
        share_count bigint NOT NULL,
        last_shared_at timestamptz NOT NULL,
        ended_on date NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_end_notices PRIMARY KEY (citizen_id, notice_id)
    );
    CREATE INDEX ix_end_notices__receiver_id ON end_notices (receiver_id, notice_id);
    """)
    op.execute("""
    CREATE FUNCTION repairs_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM repair_applications a WHERE a.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {ERASE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ERASE} TO card_job")
    op.execute("""
    GRANT SELECT, INSERT, UPDATE (state, reasons_sealed, decided_by, decided_at)
        ON repair_applications TO card_web;
    GRANT SELECT, INSERT ON end_notices TO card_web, card_job;
    GRANT SELECT ON repair_applications TO card_job;
    GRANT SELECT ON repair_applications, end_notices TO card_report;
    """)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {ERASE}")
    op.execute("DROP TABLE end_notices")
    op.execute("DROP TABLE repair_applications")

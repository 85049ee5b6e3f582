"""Objections with what the citizen wrote and attached, sealed; answers of sources; decisions."""

from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

ERASE = "objections_erase(uuid)"
OBJECTIONS = """
CREATE TABLE objections (
    citizen_id uuid NOT NULL,
    objection_id uuid NOT NULL,
    kind text NOT NULL,
    record_type text,
    record_number text,
    record_version bigint,
    indicator text,
    item_id uuid,
    reason text NOT NULL,
    words_sealed bytea NOT NULL,
    frozen_sealed bytea NOT NULL,
    source_id uuid,
    state text NOT NULL DEFAULT 'open',
    round bigint NOT NULL DEFAULT 1,
    filed_on date NOT NULL,
    source_due_on date,
    source_is_extended boolean NOT NULL DEFAULT false,
    answer text,
    answer_sealed bytea,
    answered_at timestamptz,
    decide_due_on date NOT NULL,
    proposed_by uuid,
    proposal_sealed bytea,
    second_look_until date,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_objections PRIMARY KEY (citizen_id, objection_id),
    CONSTRAINT ck_objections__kind CHECK (
        kind IN ('record', 'score_line', 'redemption', 'claim', 'order')
        AND (kind IN ('record', 'score_line')) = (record_number IS NOT NULL)
        AND (record_number IS NULL) = (item_id IS NOT NULL)),
    CONSTRAINT ck_objections__state CHECK (state IN ('open', 'proposed', 'decided')),
    CONSTRAINT ck_objections__round CHECK (round IN (1, 2)),
    CONSTRAINT ck_objections__answer CHECK (
        answer IN ('uphold', 'correct', 'withdraw')
        AND (answer IS NULL) = (answered_at IS NULL)
        AND (answer IS NULL) = (answer_sealed IS NULL)),
    CONSTRAINT ck_objections__proposal CHECK (
        (state = 'proposed') = (proposed_by IS NOT NULL)
        AND (proposed_by IS NULL) = (proposal_sealed IS NULL)),
    CONSTRAINT ck_objections__source CHECK ((source_id IS NULL) = (source_due_on IS NULL))
);
CREATE INDEX ix_objections__objection_id ON objections (objection_id);
CREATE INDEX ix_objections__decide_due_on ON objections (decide_due_on, objection_id)
    WHERE state <> 'decided';
CREATE INDEX ix_objections__source_id ON objections (source_id, objection_id)
    WHERE state <> 'decided';
"""
DECISIONS = """
CREATE TABLE objection_decisions (
    citizen_id uuid NOT NULL,
    objection_id uuid NOT NULL,
    round bigint NOT NULL,
    outcome text NOT NULL,
    remedy text,
    reasons_sealed bytea NOT NULL,
    decided_by uuid NOT NULL,
    confirmed_by uuid,
    void_version bigint,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_objection_decisions PRIMARY KEY (citizen_id, objection_id, round),
    CONSTRAINT fk_objection_decisions__citizen_id_objection_id
        FOREIGN KEY (citizen_id, objection_id) REFERENCES objections (citizen_id, objection_id),
    CONSTRAINT ck_objection_decisions__outcome CHECK (
        outcome IN ('upheld', 'rejected') AND (outcome = 'upheld') = (remedy IS NOT NULL)),
    -- A record is voided by two persons.
    CONSTRAINT ck_objection_decisions__remedy CHECK (
        remedy IN ('source_corrected', 'voided', 'other')
        AND coalesce(remedy = 'voided', false) = (confirmed_by IS NOT NULL)
        AND (confirmed_by IS NULL) = (void_version IS NULL)
        AND confirmed_by IS DISTINCT FROM decided_by)
);
"""
ATTACHMENTS = """
CREATE TABLE objection_attachments (
    citizen_id uuid NOT NULL,
    objection_id uuid NOT NULL,
    attachment_id uuid NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    digest_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_objection_attachments PRIMARY KEY (citizen_id, objection_id, attachment_id),
    CONSTRAINT fk_objection_attachments__citizen_id_objection_id
        FOREIGN KEY (citizen_id, objection_id) REFERENCES objections (citizen_id, objection_id),
    CONSTRAINT ck_objection_attachments__media_type CHECK (
        media_type IN ('image/jpeg', 'image/png', 'application/pdf'))
);
CREATE TABLE objection_attachment_parts (
    citizen_id uuid NOT NULL,
    objection_id uuid NOT NULL,
    attachment_id uuid NOT NULL,
    part bigint NOT NULL,
    content_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_objection_attachment_parts
        PRIMARY KEY (citizen_id, objection_id, attachment_id, part),
    CONSTRAINT fk_objection_attachment_parts__attachment
        FOREIGN KEY (citizen_id, objection_id, attachment_id)
        REFERENCES objection_attachments (citizen_id, objection_id, attachment_id)
);
"""
CHANGING = """state, round, source_due_on, source_is_extended, answer, answer_sealed, answered_at,
    decide_due_on, proposed_by, proposal_sealed, second_look_until"""
GRANTS = f"""
GRANT SELECT, INSERT, UPDATE ({CHANGING}) ON objections TO card_web;
GRANT SELECT, INSERT ON objection_decisions, objection_attachments, objection_attachment_parts
    TO card_web;
GRANT SELECT ON objections, objection_decisions TO card_job, card_report;
"""


def upgrade() -> None:
    for statements in (OBJECTIONS, DECISIONS, ATTACHMENTS):
        op.execute(statements)
    op.execute("""
    CREATE FUNCTION objections_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM objection_attachment_parts p WHERE p.citizen_id = citizen;
        DELETE FROM objection_attachments a WHERE a.citizen_id = citizen;
        DELETE FROM objection_decisions d WHERE d.citizen_id = citizen;
        DELETE FROM objections o WHERE o.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {ERASE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ERASE} TO card_job")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {ERASE}")
    op.execute("DROP TABLE objection_attachment_parts")
    op.execute("DROP TABLE objection_attachments")
    op.execute("DROP TABLE objection_decisions")
    op.execute("DROP TABLE objections")

"""Deaths: arrangements in life, reports of two operators, applications of near relatives."""

from alembic import op

revision = "0118"
down_revision = "0117"
branch_labels = None
depends_on = None

ERASE = "deaths_erase(uuid)"
REPORTS = """
CREATE TABLE death_arrangements (
    citizen_id uuid NOT NULL,
    choice text NOT NULL,
    persons_sealed bytea,
    arranged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_death_arrangements PRIMARY KEY (citizen_id),
    CONSTRAINT ck_death_arrangements__choice CHECK (
        choice IN ('nobody', 'named') AND (choice = 'named') = (persons_sealed IS NOT NULL))
);
CREATE TABLE death_reports (
    citizen_id uuid NOT NULL,
    report_id uuid NOT NULL,
    died_on_sealed bytea NOT NULL,
    evidence text NOT NULL,
    state text NOT NULL DEFAULT 'reported',
    reported_by uuid NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_by uuid,
    decided_at timestamptz,
    reversible_until_on date,
    final_on date,
    ended_by uuid,
    ended_at timestamptz,
    CONSTRAINT pk_death_reports PRIMARY KEY (citizen_id, report_id),
    CONSTRAINT ck_death_reports__evidence CHECK (
        evidence IN ('death_certificate', 'household_cancelled', 'court_declaration')),
    CONSTRAINT ck_death_reports__state CHECK (
        state IN ('reported', 'confirmed', 'refused', 'reversed', 'ended')
        AND (state = 'reported') = (decided_at IS NULL)
        AND (state IN ('reversed', 'ended')) = (ended_at IS NOT NULL)),
    -- A death takes two persons.
    CONSTRAINT ck_death_reports__second_person CHECK (
        state NOT IN ('confirmed', 'ended')
        OR decided_by IS NOT NULL AND decided_by <> reported_by),
    CONSTRAINT ck_death_reports__days CHECK (
        (state NOT IN ('confirmed', 'ended') OR final_on IS NOT NULL)
        AND (final_on IS NULL) = (reversible_until_on IS NULL)
        AND final_on >= reversible_until_on)
);
CREATE INDEX ix_death_reports__report_id ON death_reports (report_id);
CREATE INDEX ix_death_reports__state ON death_reports (state, final_on)
    WHERE state IN ('reported', 'confirmed');
CREATE UNIQUE INDEX uq_death_reports__citizen_id ON death_reports (citizen_id)
    WHERE state IN ('reported', 'confirmed');
"""
APPLICATIONS = """
CREATE TABLE relative_applications (
    citizen_id uuid NOT NULL,
    application_id uuid NOT NULL,
    report_id uuid NOT NULL,
    relation text NOT NULL,
    wish text NOT NULL,
    relative_sealed bytea NOT NULL,
    interest_sealed bytea NOT NULL,
    record_type text,
    record_number text,
    state text NOT NULL DEFAULT 'open',
    outcome text,
    reasons_sealed bytea,
    proposed_by uuid,
    confirmed_by uuid,
    decided_at timestamptz,
    copy_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_relative_applications PRIMARY KEY (citizen_id, application_id),
    CONSTRAINT fk_relative_applications__citizen_id_report_id
        FOREIGN KEY (citizen_id, report_id) REFERENCES death_reports (citizen_id, report_id),
    CONSTRAINT ck_relative_applications__relation CHECK (relation IN (
        'spouse', 'parent', 'child', 'sibling', 'grandparent', 'grandchild', 'named')),
    CONSTRAINT ck_relative_applications__wish CHECK (
        wish IN ('copy', 'correction', 'deletion')
        AND (wish = 'correction') = (record_number IS NOT NULL)
        AND (record_type IS NULL) = (record_number IS NULL)
        AND (copy_id IS NULL OR wish = 'copy' AND outcome = 'granted')),
    CONSTRAINT ck_relative_applications__state CHECK (
        state IN ('open', 'proposed', 'decided')
        AND outcome IN ('granted', 'rejected', 'moot')
        AND (state = 'open') = (outcome IS NULL)
        AND (state = 'decided') = (decided_at IS NOT NULL)),
    -- What is granted or rejected is so by two persons; moot it is by itself.
    CONSTRAINT ck_relative_applications__second_person CHECK (
        coalesce(outcome IN ('granted', 'rejected'), false) = (proposed_by IS NOT NULL)
        AND (proposed_by IS NULL) = (reasons_sealed IS NULL)
        AND (state = 'decided' AND proposed_by IS NOT NULL) = (confirmed_by IS NOT NULL)
        AND (confirmed_by IS NULL OR confirmed_by <> proposed_by))
);
CREATE INDEX ix_relative_applications__application_id ON relative_applications (application_id);
CREATE INDEX ix_relative_applications__state ON relative_applications (state, application_id)
    WHERE state <> 'decided';
"""
PAPERS = """
CREATE TABLE death_papers (
    citizen_id uuid NOT NULL,
    paper_id uuid NOT NULL,
    report_id uuid NOT NULL,
    application_id uuid,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    digest_sealed bytea NOT NULL,
    added_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_death_papers PRIMARY KEY (citizen_id, paper_id),
    CONSTRAINT fk_death_papers__citizen_id_report_id
        FOREIGN KEY (citizen_id, report_id) REFERENCES death_reports (citizen_id, report_id),
    CONSTRAINT ck_death_papers__media_type CHECK (
        media_type IN ('image/jpeg', 'image/png', 'application/pdf'))
);
CREATE INDEX ix_death_papers__citizen_id_report_id ON death_papers (citizen_id, report_id);
CREATE TABLE death_paper_parts (
    citizen_id uuid NOT NULL,
    paper_id uuid NOT NULL,
    part bigint NOT NULL,
    content_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_death_paper_parts PRIMARY KEY (citizen_id, paper_id, part),
    CONSTRAINT fk_death_paper_parts__citizen_id_paper_id
        FOREIGN KEY (citizen_id, paper_id) REFERENCES death_papers (citizen_id, paper_id)
);
"""
GRANTS = """
GRANT SELECT, INSERT, DELETE ON death_arrangements TO card_web;
GRANT UPDATE (choice, persons_sealed, arranged_at) ON death_arrangements TO card_web;
GRANT SELECT, INSERT ON death_reports, relative_applications, death_papers, death_paper_parts
    TO card_web;
GRANT UPDATE (state, decided_by, decided_at, reversible_until_on, final_on, ended_by, ended_at)
    ON death_reports TO card_web;
GRANT UPDATE (state, outcome, reasons_sealed, proposed_by, confirmed_by, decided_at, copy_id)
    ON relative_applications TO card_web;
GRANT SELECT ON death_arrangements, death_reports, relative_applications TO card_job;
GRANT UPDATE (state, ended_at) ON death_reports TO card_job;
"""


def upgrade() -> None:
    for statements in (REPORTS, APPLICATIONS, PAPERS):
        op.execute(statements)
    op.execute("""
    CREATE FUNCTION deaths_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM death_paper_parts p WHERE p.citizen_id = citizen;
        DELETE FROM death_papers d WHERE d.citizen_id = citizen;
        DELETE FROM relative_applications a WHERE a.citizen_id = citizen;
        DELETE FROM death_reports r WHERE r.citizen_id = citizen;
        DELETE FROM death_arrangements a WHERE a.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {ERASE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ERASE} TO card_job")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {ERASE}")
    op.execute("DROP TABLE death_paper_parts")
    op.execute("DROP TABLE death_papers")
    op.execute("DROP TABLE relative_applications")
    op.execute("DROP TABLE death_reports")
    op.execute("DROP TABLE death_arrangements")

"""Incidents with personal data: who is affected, what was seen, who was told when (PIPL, art. 57)."""

from alembic import op

revision = "0129"
down_revision = "0128"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE incidents (
        incident_id uuid NOT NULL,
        is_drill boolean NOT NULL,
        scope text NOT NULL,
        scope_name text NOT NULL,
        seen_from timestamptz NOT NULL,
        seen_until timestamptz NOT NULL,
        found_at timestamptz NOT NULL,
        cause text NOT NULL,
        harm text NOT NULL,
        measures text NOT NULL,
        advice text NOT NULL,
        contact text NOT NULL,
        reported_by uuid NOT NULL,
        reason text NOT NULL,
        authority_due_at timestamptz NOT NULL,
        people_due_at timestamptz NOT NULL,
        counted_at timestamptz,
        released_by uuid,
        released_at timestamptz,
        authority_told_at timestamptz,
        authority_reference text,
        escalated_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_incidents PRIMARY KEY (incident_id),
        CONSTRAINT ck_incidents__scope CHECK (scope IN
            ('staff', 'device', 'partner', 'source', 'key', 'table', 'everybody')),
        CONSTRAINT ck_incidents__seen CHECK (seen_from < seen_until),
        CONSTRAINT ck_incidents__released_by CHECK ((released_by IS NULL) = (released_at IS NULL)
            AND released_by <> reported_by AND (released_at IS NULL OR counted_at IS NOT NULL)),
        CONSTRAINT ck_incidents__authority CHECK (
            (authority_told_at IS NULL) = (authority_reference IS NULL))
    );
    CREATE TABLE incident_people (
        citizen_id uuid NOT NULL,
        incident_id uuid NOT NULL,
        seen text[] NOT NULL,
        line_count bigint NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        noticed_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_incident_people PRIMARY KEY (citizen_id, incident_id)
    );
    CREATE INDEX ix_incident_people__incident_id_citizen_id
        ON incident_people (incident_id, citizen_id);
    GRANT SELECT, INSERT ON incidents TO card_web;
    GRANT UPDATE (released_by, released_at, authority_told_at, authority_reference)
        ON incidents TO card_web;
    GRANT SELECT, UPDATE (counted_at, escalated_at) ON incidents TO card_job;
    GRANT SELECT ON incidents TO card_report;
    GRANT SELECT ON incident_people TO card_web;
    GRANT SELECT, INSERT, UPDATE (noticed_at) ON incident_people TO card_job;

    CREATE FUNCTION oversight_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM incident_people p WHERE p.citizen_id = citizen;
    END $$;
    REVOKE ALL ON FUNCTION oversight_erase(uuid) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION oversight_erase(uuid) TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION oversight_erase(uuid)")
    op.execute("DROP TABLE incident_people, incidents")

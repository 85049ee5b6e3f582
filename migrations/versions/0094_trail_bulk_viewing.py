"""Bulk viewing: who reads more people unmasked in an hour than may be is stopped and told of."""

from alembic import op

revision = "0094"
down_revision = "0093"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE trail_views (
        staff_id uuid NOT NULL,
        view_id uuid NOT NULL,
        viewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_trail_views PRIMARY KEY (staff_id, view_id)
    );
    CREATE INDEX ix_trail_views__staff_id_viewed_at ON trail_views (staff_id, viewed_at);
    CREATE TABLE bulk_viewing_alarms (
        alarm_id uuid NOT NULL,
        staff_id uuid NOT NULL,
        view_count bigint NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        released_by uuid,
        released_at timestamptz,
        CONSTRAINT pk_bulk_viewing_alarms PRIMARY KEY (alarm_id),
        CONSTRAINT ck_bulk_viewing_alarms__released_by CHECK (
            (released_by IS NULL) = (released_at IS NULL) AND released_by <> staff_id)
    );
    -- One that is open for each account.
    CREATE UNIQUE INDEX uq_bulk_viewing_alarms__staff_id ON bulk_viewing_alarms (staff_id)
        WHERE released_at IS NULL;
    GRANT SELECT ON bulk_viewing_alarms TO card_web, card_job;
    GRANT UPDATE (released_by, released_at) ON bulk_viewing_alarms TO card_web;
    GRANT SELECT ON trail_views TO card_web, card_job;

    -- Counts a view, or raises the alarm and says no.  The caller commits either way.
    CREATE FUNCTION trail_admit_view(staff uuid, view_id uuid, alarm_id uuid, most integer)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        moment timestamptz;
        view_count integer;
    BEGIN
        -- One view of an account at a time: the fifty-first waits for the fiftieth.
        PERFORM pg_advisory_xact_lock(hashtext('trail_views'), hashtext(staff::text));
        IF EXISTS (SELECT FROM bulk_viewing_alarms a
                   WHERE a.staff_id = staff AND a.released_at IS NULL) THEN
            RETURN false;
        END IF;
        moment := clock_timestamp();
        DELETE FROM trail_views v
        WHERE v.staff_id = staff AND v.viewed_at <= moment - interval '1 hour';
        SELECT count(*) INTO view_count FROM trail_views v
        WHERE v.staff_id = staff AND v.viewed_at > coalesce(
            (SELECT max(a.released_at) FROM bulk_viewing_alarms a WHERE a.staff_id = staff),
            '-infinity');
        IF view_count >= most THEN
            INSERT INTO bulk_viewing_alarms (alarm_id, staff_id, view_count)
            VALUES (trail_admit_view.alarm_id, staff, view_count);
            RETURN false;
        END IF;
        INSERT INTO trail_views (staff_id, view_id) VALUES (staff, trail_admit_view.view_id);
        RETURN true;
    END $$;
    REVOKE ALL ON FUNCTION trail_admit_view(uuid, uuid, uuid, integer) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION trail_admit_view(uuid, uuid, uuid, integer) TO card_web;
    """)


def downgrade() -> None:
    op.execute("""
    DROP FUNCTION trail_admit_view(uuid, uuid, uuid, integer);
    DROP TABLE bulk_viewing_alarms;
    DROP TABLE trail_views;
    """)

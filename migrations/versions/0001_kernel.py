"""Database roles, the outbox, and Procrastinate's job tables."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Frozen: a newer Procrastinate brings its difference in a migration of its own.
PROCRASTINATE_SQL = Path(__file__).parent.parent / "sql" / "procrastinate_3.10.0.sql"


def upgrade() -> None:
    # Roles belong to the whole server: an administrator may have made them before, with passwords.
    op.execute("""
    DO $$
    DECLARE role_name text;
    BEGIN
        FOREACH role_name IN ARRAY ARRAY['card_web', 'card_job', 'card_report'] LOOP
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I LOGIN', role_name);
            END IF;
        END LOOP;
    END $$;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO card_web, card_job, card_report;
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    GRANT SELECT ON alembic_version TO card_web, card_job;
    """)
    op.execute(PROCRASTINATE_SQL.read_text(encoding="utf-8"))
    op.execute("""
    GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_workers,
        procrastinate_periodic_defers, procrastinate_events TO card_job;
    GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_workers_id_seq,
        procrastinate_periodic_defers_id_seq, procrastinate_events_id_seq TO card_job;
    DO $$
    DECLARE each_function regprocedure;
    BEGIN
        FOR each_function IN SELECT oid FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'procrastinate_')
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO card_job', each_function);
        END LOOP;
    END $$;
    """)
    # No index on created_at: the table is nearly empty all the time and stands on the hot path.
    op.execute("""
    CREATE TABLE outbox (
        citizen_id uuid NOT NULL,
        message_id uuid NOT NULL,
        topic text NOT NULL,
        payload jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_outbox PRIMARY KEY (citizen_id, message_id)
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

    CREATE FUNCTION outbox_put(citizen uuid, message_id uuid, topic text, payload jsonb)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
        INSERT INTO outbox (citizen_id, message_id, topic, payload)
        VALUES (outbox_put.citizen, outbox_put.message_id, outbox_put.topic, outbox_put.payload);
    $$;

    CREATE FUNCTION outbox_take(batch_max integer) RETURNS SETOF outbox
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
        WITH taken AS MATERIALIZED (
            SELECT citizen_id, message_id FROM outbox
            LIMIT batch_max FOR UPDATE SKIP LOCKED
        )
        DELETE FROM outbox USING taken
        WHERE outbox.citizen_id = taken.citizen_id AND outbox.message_id = taken.message_id
        RETURNING outbox.*;
    $$;

    CREATE FUNCTION queue_state(
        OUT outbox_depth bigint, OUT outbox_oldest_seconds double precision,
        OUT jobs_waiting bigint, OUT jobs_dead bigint
    )
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
        SELECT (SELECT count(*) FROM outbox),
            (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM outbox),
            (SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')),
            (SELECT count(*) FROM procrastinate_jobs
                WHERE status = 'failed' AND task_name = 'deliver');
    $$;

    GRANT EXECUTE ON FUNCTION outbox_put(uuid, uuid, text, jsonb) TO card_web, card_job;
    GRANT EXECUTE ON FUNCTION outbox_take(integer) TO card_job;
    GRANT EXECUTE ON FUNCTION queue_state() TO card_web, card_job;
    """)


def downgrade() -> None:
    # The roles stay: other databases of the server may use them.
    op.execute("""
    DROP FUNCTION queue_state();
    DROP FUNCTION outbox_take(integer);
    DROP FUNCTION outbox_put(uuid, uuid, text, jsonb);
    DROP TABLE outbox;
    DROP TABLE procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs,
        procrastinate_workers CASCADE;
    DO $$
    DECLARE each_function regprocedure;
    BEGIN
        FOR each_function IN SELECT oid FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'procrastinate_')
        LOOP
            EXECUTE format('DROP FUNCTION %s', each_function);
        END LOOP;
    END $$;
    DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_event_type,
        procrastinate_job_status;
    REVOKE SELECT ON alembic_version FROM card_web, card_job;
    ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
    REVOKE USAGE ON SCHEMA public FROM card_web, card_job, card_report;
    """)

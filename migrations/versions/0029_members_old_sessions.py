"""Sessions are forgotten when they are older than what security asks to keep."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

FUNCTION = "sessions_prune(integer)"


def upgrade() -> None:
    op.execute("""
    -- Sign-ins wait while it is built: about a second for a million sessions.
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_citizen_sessions__expires_at ON citizen_sessions (expires_at);

    -- Deletes sessions 184 days after the moment at which they would have ended by themselves: at most
    -- so many of citizens, and all of staff and sources, who are few; how many of citizens.
    CREATE FUNCTION sessions_prune(batch_max integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        due CONSTANT timestamptz := now() - interval '184 days';
        gone integer;
    BEGIN
        DELETE FROM staff_refreshes r USING staff_sessions s
        WHERE s.staff_id = r.staff_id AND s.session_id = r.session_id AND s.expires_at < due;
        DELETE FROM staff_sessions s WHERE s.expires_at < due;
        DELETE FROM source_sessions s WHERE s.expires_at < due;
        DELETE FROM citizen_sessions s USING (
            SELECT o.citizen_id, o.session_id FROM citizen_sessions o
            WHERE o.expires_at < due ORDER BY o.expires_at LIMIT batch_max
        ) old
        WHERE s.citizen_id = old.citizen_id AND s.session_id = old.session_id;
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN gone;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.execute("DROP INDEX ix_citizen_sessions__expires_at")

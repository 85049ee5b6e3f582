"""Tries to sign in are forgotten after a day, known clients after a month, whoever tries or not."""

from alembic import op

revision = "0126"
down_revision = "0125"
branch_labels = None
depends_on = None

FUNCTION = "sign_ins_prune()"


def upgrade() -> None:
    op.execute("""
    -- Deletes what `sign_in_attempt` does not look at any more; how many.
    CREATE FUNCTION sign_ins_prune() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        gone integer;
        total integer;
    BEGIN
        DELETE FROM sign_in_attempts a WHERE a.created_at < now() - interval '1 day';
        GET DIAGNOSTICS total = ROW_COUNT;
        DELETE FROM known_clients k WHERE k.seen_at < now() - interval '30 days';
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN total + gone;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

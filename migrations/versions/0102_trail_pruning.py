"""The trail is kept for five years, not longer."""

from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None

FUNCTION = "trail_prune(integer)"


def upgrade() -> None:
    op.execute("""
    -- Lines come in the order of their time, so that a few bytes for each range of blocks suffice.
    -- Lines that are written wait while the table is read once.
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_trail_entries__created_at ON trail_entries USING brin (created_at);

    -- Deletes lines older than 1,830 days, at least five years, at most so many; how many.
    CREATE FUNCTION trail_prune(batch_max integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE gone integer;
    BEGIN
        DELETE FROM trail_entries t USING (
            SELECT o.citizen_id, o.trail_id FROM trail_entries o
            WHERE o.created_at < now() - interval '1830 days' LIMIT batch_max
        ) old
        WHERE t.citizen_id = old.citizen_id AND t.trail_id = old.trail_id;
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN gone;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.execute("DROP INDEX ix_trail_entries__created_at")

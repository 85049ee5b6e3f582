"""Refused scans are forgotten like other bad scans; what was redeemed keeps its answer."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

FUNCTION = "redemption_prune_refusals(integer)"


def upgrade() -> None:
    op.execute("""
    -- Redemptions wait while the table is read once.  Of accepted ones the index knows nothing.
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_redemption_attempts__attempted_at ON redemption_attempts (attempted_at)
        WHERE answer IS NULL;

    -- Deletes refused attempts that are older than 184 days, at most so many; how many.
    CREATE FUNCTION redemption_prune_refusals(batch_max integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE gone integer;
    BEGIN
        DELETE FROM redemption_attempts a USING (
            SELECT o.citizen_id, o.caller_id, o.redemption_id FROM redemption_attempts o
            WHERE o.answer IS NULL AND o.attempted_at < now() - interval '184 days'
            ORDER BY o.attempted_at LIMIT batch_max
        ) old
        WHERE a.citizen_id = old.citizen_id AND a.caller_id = old.caller_id
            AND a.redemption_id = old.redemption_id;
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN gone;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.execute("DROP INDEX ix_redemption_attempts__attempted_at")

"""Views that are counted for an hour are forgotten when it is over, whoever reads on or not."""

from alembic import op

revision = "0127"
down_revision = "0126"
branch_labels = None
depends_on = None

FUNCTION = "trail_views_prune()"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION trail_views_prune() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE gone integer;
    BEGIN
        DELETE FROM trail_views v WHERE v.viewed_at <= clock_timestamp() - interval '1 hour';
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN gone;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

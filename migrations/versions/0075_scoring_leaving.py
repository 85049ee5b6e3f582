"""What was computed of somebody who has left goes; the points stay in the ledger."""

from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

FUNCTION = "scoring_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION scoring_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM scores s WHERE s.citizen_id = citizen;
        DELETE FROM rank_results k WHERE k.citizen_id = citizen;
        DELETE FROM record_grants g WHERE g.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

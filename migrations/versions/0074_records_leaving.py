"""The records of somebody who has left go; a source's later versions are of a stranger."""

from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

FUNCTION = "records_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION records_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM record_holders h WHERE h.citizen_id = citizen;
        DELETE FROM records r WHERE r.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

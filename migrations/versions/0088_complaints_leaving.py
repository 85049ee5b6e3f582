"""The complaints of somebody who has left go, with their answers."""

from alembic import op

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None

FUNCTION = "complaints_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION complaints_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM complaint_decisions d WHERE d.citizen_id = citizen;
        DELETE FROM complaint_answers a WHERE a.citizen_id = citizen;
        DELETE FROM complaints c WHERE c.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

"""The settled trips of somebody who has left go with their places; others follow when settled."""

from alembic import op

revision = "0099"
down_revision = "0098"
branch_labels = None
depends_on = None

FUNCTION = "transit_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION transit_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM transit_reports r WHERE r.citizen_id = citizen
            AND (r.settled_on IS NOT NULL OR r.fault IS NOT NULL);
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

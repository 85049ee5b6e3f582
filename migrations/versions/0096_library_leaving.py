"""Returned waivers go in time, and at once when their reader has left."""

from alembic import op

revision = "0096"
down_revision = "0095"
branch_labels = None
depends_on = None

FUNCTION = "library_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    -- A waiver that is not returned stays under its random number, for the library to settle.
    CREATE FUNCTION library_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM library_waivers w WHERE w.citizen_id = citizen AND w.returned_at IS NOT NULL;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")
    op.execute("GRANT DELETE ON library_waivers TO card_job")


def downgrade() -> None:
    op.execute("REVOKE DELETE ON library_waivers FROM card_job")
    op.execute(f"DROP FUNCTION {FUNCTION}")

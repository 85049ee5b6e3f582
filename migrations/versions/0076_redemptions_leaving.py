"""Codes of somebody who has left go; vouchers and redemptions stay as a pseudonym's."""

from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

FUNCTION = "redemptions_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION redemptions_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM voucher_manual_codes m WHERE m.citizen_id = citizen;
        DELETE FROM code_presentations p WHERE p.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

"""The messages to somebody who has left go."""

from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

FUNCTION = "wechat_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION wechat_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM wechat_messages m WHERE m.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

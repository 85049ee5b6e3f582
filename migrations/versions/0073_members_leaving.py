"""Erasing a member: what is personal goes with its key; the pseudonym stays."""

from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

FUNCTION = "members_erase(uuid, boolean)"


def upgrade() -> None:
    op.execute("""
    -- Of somebody who has left: name, number and phone; with `entirely` also the WeChat identity, the
    -- indexes by which the person is found, and the key.  Without it what was begun can be settled.
    CREATE FUNCTION members_erase(citizen uuid, entirely boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF EXISTS (SELECT FROM citizens c WHERE c.citizen_id = citizen AND c.status <> 'left') THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM citizen_profiles p WHERE p.citizen_id = citizen;
        IF entirely THEN
            DELETE FROM wechat_identities w WHERE w.citizen_id = citizen;
            DELETE FROM citizen_lookup l WHERE l.citizen_id = citizen;
            DELETE FROM citizen_keys k WHERE k.citizen_id = citizen;
        END IF;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_job")
    # After a restore the worker's role lets those who left leave again.
    op.execute("GRANT SELECT, UPDATE (ended_at, ended_reason) ON citizen_sessions TO card_job")


def downgrade() -> None:
    op.execute("REVOKE ALL ON citizen_sessions FROM card_job")
    op.execute("REVOKE ALL (ended_at, ended_reason) ON citizen_sessions FROM card_job")
    op.execute(f"DROP FUNCTION {FUNCTION}")

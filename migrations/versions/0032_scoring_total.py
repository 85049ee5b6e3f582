"""The stored total of a citizen, for benefits whose values begin at a score."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION citizen_total(citizen uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        RETURN (SELECT s.total FROM scores s
                WHERE s.citizen_id = citizen AND citizen_is_active(citizen));
    END $$;
    REVOKE ALL ON FUNCTION citizen_total(uuid) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION citizen_total(uuid) TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION citizen_total(uuid)")

"""Whether a person's orders are settled, for who asks about many: those who owe are not looked at."""

from alembic import op

revision = "0139"
down_revision = "0138"
branch_labels = None
depends_on = None

FUNCTION = "service_orders_settled(uuid)"


def upgrade() -> None:
    op.execute("""
    -- Nothing is in use, owed or disputed any more.
    CREATE FUNCTION service_orders_settled(citizen uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT NOT EXISTS (SELECT FROM service_orders o WHERE o.citizen_id = citizen
            AND o.state NOT IN ('paid', 'repaid', 'released', 'cancelled', 'expired'))
    $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_web, card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

"""The accounts in fen of everybody, for the proof of those who hold on them."""

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain, so that the planner puts it into the query that asks.
    op.execute("""
    CREATE FUNCTION ledger_guarantee_balances()
    RETURNS TABLE (citizen_id uuid, purpose text, balance_units bigint, held_units bigint)
    LANGUAGE sql STABLE AS $$
        SELECT a.citizen_id, a.purpose, a.balance_units, a.held_units
        FROM ledger_accounts a
        WHERE a.asset = 'fen' AND a.subject_id = a.citizen_id
    $$;
    REVOKE ALL ON FUNCTION ledger_guarantee_balances() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION ledger_guarantee_balances() TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger_guarantee_balances()")

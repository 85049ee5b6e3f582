"""What became of the ledger's holds, for the rooms that asked for them to prove their own rows."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain, so that the planner puts it into the query that asks.
    op.execute("""
    CREATE FUNCTION ledger_hold_outcomes(hold_reason text)
    RETURNS TABLE (citizen_id uuid, hold_id uuid, amount_units bigint, ending_id uuid,
                   ending_kind text, ending_units bigint, reversal_id uuid)
    LANGUAGE sql STABLE AS $$
        SELECT h.citizen_id, h.transfer_id, h.amount_units, e.transfer_id, e.kind, e.amount_units,
            r.transfer_id
        FROM ledger_transfers h
        LEFT JOIN ledger_transfers e ON e.citizen_id = h.citizen_id AND e.hold_id = h.transfer_id
            AND e.outcome = 'accepted'
        LEFT JOIN ledger_transfers r ON r.citizen_id = e.citizen_id
            AND r.reverses_id = e.transfer_id AND r.outcome = 'accepted'
        WHERE h.kind = 'hold' AND h.outcome = 'accepted' AND h.reason = hold_reason
    $$;
    REVOKE ALL ON FUNCTION ledger_hold_outcomes(text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION ledger_hold_outcomes(text) TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger_hold_outcomes(text)")

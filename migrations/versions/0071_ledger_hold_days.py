"""What was posted from holds and reversed on each day, for the rooms that settle by the day."""

from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain, so that the planner puts it into the query that asks; what is reversed is negative.
    op.execute("""
    CREATE FUNCTION ledger_hold_days(hold_reason text)
    RETURNS TABLE (kind text, effective_on date, transfer_id uuid, points bigint)
    LANGUAGE sql STABLE AS $$
        SELECT 'post', e.effective_on, e.transfer_id, e.amount_units
        FROM ledger_transfers h
        JOIN ledger_transfers e ON e.citizen_id = h.citizen_id AND e.hold_id = h.transfer_id
            AND e.outcome = 'accepted' AND e.kind = 'post'
        WHERE h.kind = 'hold' AND h.outcome = 'accepted' AND h.reason = hold_reason
        UNION ALL
        SELECT 'reversal', r.effective_on, r.transfer_id, -e.amount_units
        FROM ledger_transfers h
        JOIN ledger_transfers e ON e.citizen_id = h.citizen_id AND e.hold_id = h.transfer_id
            AND e.outcome = 'accepted' AND e.kind = 'post'
        JOIN ledger_transfers r ON r.citizen_id = e.citizen_id AND r.reverses_id = e.transfer_id
            AND r.outcome = 'accepted'
        WHERE h.kind = 'hold' AND h.outcome = 'accepted' AND h.reason = hold_reason
    $$;
    REVOKE ALL ON FUNCTION ledger_hold_days(text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION ledger_hold_days(text) TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger_hold_days(text)")

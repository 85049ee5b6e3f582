"""The proof that orders, their steps and the ledger agree: queries for the rows that do not.

O1 an order's hold is its own, and ended as the order did · O2 what is held and owed on a line is
the sum of its orders · O3 what is owed is what was billed, less what insurance and the holder paid
or what was taken off · O4 an order stands where its last step left it, and ends once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel.database import reading_whole_tables
from app.service_orders.transitions import HOLDING, TRANSITIONS, State

FINDINGS_MAX: Final = 2000
_ENDED: Final = frozenset(State) - {state for state, _ in TRANSITIONS}


@dataclass(frozen=True)
class Finding:
    """One broken promise and the order that breaks it."""

    invariant: str
    citizen_id: UUID | None
    order_id: UUID | None
    message: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.message} (citizen {self.citizen_id}, {self.order_id})"


# Each gives citizen_id, order_id, message.  A hold that is over may be swept before its order.
CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "O1",
        """
        SELECT coalesce(o.citizen_id, h.citizen_id), o.order_id, CASE
            WHEN o.order_id IS NULL THEN 'a hold without its order'
            WHEN h.hold_id IS NULL THEN 'an order without its hold'
            ELSE 'an order and what became of its hold disagree' END
        FROM service_orders o
        FULL JOIN ledger_hold_outcomes('service_order') h
            ON h.citizen_id = o.citizen_id AND h.hold_id = o.hold_id
        WHERE o.order_id IS NULL OR h.hold_id IS NULL OR h.amount_units <> o.held_fen OR CASE
            WHEN o.state = ANY (:holding) THEN h.ending_kind IN ('post', 'void')
            WHEN o.state = 'released' THEN h.ending_kind IS NULL
            WHEN o.state IN ('cancelled', 'expired')
                THEN h.ending_kind IS NULL OR h.ending_kind NOT IN ('void', 'hold_expiry')
            ELSE h.ending_kind IS DISTINCT FROM 'post' END
        """,
    ),
    (
        "O2",
        """
        SELECT coalesce(a.citizen_id, o.citizen_id), NULL::uuid, coalesce(a.purpose, o.purpose)
            || ' holds ' || coalesce(a.held_units, 0)
            || ' and owes ' || -coalesce(a.balance_units, 0)
            || ', its orders ' || coalesce(o.held_fen, 0) || ' and ' || coalesce(o.owed_fen, 0)
        FROM (SELECT * FROM ledger_guarantee_balances() WHERE purpose LIKE 'line.%') a
        FULL JOIN (
            SELECT o.citizen_id, 'line.' || o.line_id AS purpose, sum(o.owed_fen) AS owed_fen,
                sum(o.held_fen) FILTER (WHERE h.ending_kind IS NULL) AS held_fen
            FROM service_orders o
            LEFT JOIN ledger_hold_outcomes('service_order') h
                ON h.citizen_id = o.citizen_id AND h.hold_id = o.hold_id
            GROUP BY 1, 2
        ) o ON o.citizen_id = a.citizen_id AND o.purpose = a.purpose
        WHERE coalesce(a.held_units, 0) <> coalesce(o.held_fen, 0)
           OR -coalesce(a.balance_units, 0) <> coalesce(o.owed_fen, 0)
        """,
    ),
    (
        "O3",
        """
        SELECT o.citizen_id, o.order_id, 'billed ' || o.billed_fen || ', insured ' || o.insured_fen
            || ', taken ' || coalesce(h.ending_units, 0) || ', taken off ' || s.taken_off_fen
            || ', paid ' || s.paid_fen || ', owed ' || o.owed_fen
        FROM service_orders o
        JOIN ledger_hold_outcomes('service_order') h
            ON h.citizen_id = o.citizen_id AND h.hold_id = o.hold_id AND h.ending_kind = 'post'
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.amount_fen) FILTER (WHERE s.event = 'pay'), 0) AS paid_fen,
                coalesce(sum(s.before_fen - s.amount_fen)
                    FILTER (WHERE s.event IN ('uphold', 'waive')), 0) AS taken_off_fen
            FROM (SELECT s.*, lag(s.amount_fen) OVER (ORDER BY s.number) AS before_fen
                  FROM service_order_steps s
                  WHERE s.citizen_id = o.citizen_id AND s.order_id = o.order_id) s
        ) s
        WHERE o.billed_fen - o.insured_fen <> h.ending_units
           OR o.owed_fen <> o.billed_fen - o.insured_fen - s.taken_off_fen - s.paid_fen
        """,
    ),
    (
        "O4",
        """
        SELECT o.citizen_id, o.order_id, 'the steps of an order disagree with it'
        FROM service_orders o
        CROSS JOIN LATERAL (
            SELECT count(*) AS steps, count(*) FILTER (WHERE s.state = ANY (:ended)) AS endings,
                coalesce((array_agg(s.state ORDER BY s.number DESC))[1], 'created') AS state
            FROM service_order_steps s
            WHERE s.citizen_id = o.citizen_id AND s.order_id = o.order_id
        ) s
        WHERE s.steps <> o.step_count OR s.state <> o.state
           OR s.endings <> (o.state = ANY (:ended))::integer
        """,
    ),
)


def find_faults(session: Session) -> list[Finding]:
    """Run every check; at most FINDINGS_MAX findings each."""
    states = {
        "holding": [state.value for state in HOLDING], "ended": [state.value for state in _ENDED]
    }
    found: list[Finding] = []
    with reading_whole_tables(session):
        for invariant, sql in CHECKS:
            asked = {name: value for name, value in states.items() if f":{name}" in sql}
            rows = session.execute(text(f"{sql} LIMIT {FINDINGS_MAX}"), asked)
            found.extend(Finding(invariant, *row) for row in rows)
    return found

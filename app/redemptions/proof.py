"""The proof that vouchers, redemptions and the ledger agree: queries for the rows that do not.

I5 every redeemed voucher has one claim and one post in the ledger, and the reverse; an annulled one
also has one reversal · I9 one effect per caller's id · I10 what was posted is what was redeemed ·
R13 the same tier gets the same for the same price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.kernel.database import reading_whole_tables
from app.redemptions import fairness

FINDINGS_MAX: Final = 2000


@dataclass(frozen=True)
class Finding:
    """One broken promise and the voucher that breaks it."""

    invariant: str
    citizen_id: UUID | None
    voucher_id: UUID | None
    message: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.message} (citizen {self.citizen_id}, {self.voucher_id})"


# Each gives citizen_id, voucher_id, message.
CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "I5",
        """
        SELECT coalesce(e.citizen_id, r.citizen_id), coalesce(e.voucher_id, r.voucher_id),
            'a voucher, its ending and its redemption disagree'
        FROM voucher_endings e
        FULL JOIN redemptions r ON r.citizen_id = e.citizen_id AND r.voucher_id = e.voucher_id
        LEFT JOIN vouchers v ON v.citizen_id = e.citizen_id AND v.voucher_id = e.voucher_id
        WHERE v.voucher_id IS NULL OR (e.kind = 'redeemed') <> (r.voucher_id IS NOT NULL)
           OR r.redeemed_at <> e.ended_at
        """,
    ),
    (
        "I5",
        """
        SELECT coalesce(v.citizen_id, o.citizen_id), v.voucher_id, CASE
            WHEN v.voucher_id IS NULL THEN 'a hold without its voucher'
            WHEN o.hold_id IS NULL THEN 'a priced voucher without its hold'
            ELSE 'a voucher and what became of its hold disagree' END
        FROM (SELECT * FROM vouchers WHERE hold_id IS NOT NULL) v
        FULL JOIN ledger_hold_outcomes('voucher') o
            ON o.citizen_id = v.citizen_id AND o.hold_id = v.hold_id
        LEFT JOIN voucher_endings e ON e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id
        LEFT JOIN redemptions r ON r.citizen_id = v.citizen_id AND r.voucher_id = v.voucher_id
        LEFT JOIN annulments a ON a.citizen_id = v.citizen_id AND a.voucher_id = v.voucher_id
        WHERE v.voucher_id IS NULL OR o.hold_id IS NULL OR o.amount_units <> v.price_points
           OR (e.kind IS NULL AND o.ending_kind IN ('post', 'void'))
           OR (e.kind = 'given_back' AND o.ending_kind IS DISTINCT FROM 'void')
           OR (e.kind = 'expired' AND o.ending_kind IS DISTINCT FROM 'hold_expiry')
           OR (e.kind = 'redeemed' AND (o.ending_kind IS DISTINCT FROM 'post'
               OR o.ending_id IS DISTINCT FROM r.transfer_id
               OR o.ending_units <> v.price_points OR r.price_points <> v.price_points))
           OR o.reversal_id IS DISTINCT FROM a.transfer_id
        """,
    ),
    (
        "I9",
        """
        SELECT coalesce(t.citizen_id, r.citizen_id), coalesce(t.voucher_id, r.voucher_id),
            'an accepted attempt and its redemption disagree'
        FROM (SELECT * FROM redemption_attempts WHERE answer IS NOT NULL) t
        FULL JOIN redemptions r ON r.citizen_id = t.citizen_id AND r.voucher_id = t.voucher_id
            AND r.redemption_id = t.redemption_id AND r.clerk_id = t.caller_id
        WHERE t.redemption_id IS NULL OR r.redemption_id IS NULL
        """,
    ),
    (
        "I9",
        """
        SELECT coalesce(c.citizen_id, v.citizen_id), coalesce(c.voucher_id, v.voucher_id),
            'an accepted claim and its voucher disagree'
        FROM (SELECT * FROM voucher_claims WHERE answer IS NOT NULL) c
        FULL JOIN vouchers v ON v.citizen_id = c.citizen_id AND v.voucher_id = c.voucher_id
        WHERE c.voucher_id IS NULL OR v.voucher_id IS NULL
        """,
    ),
    (
        "I5",
        """
        SELECT NULL::uuid, NULL::uuid, 'the slot of ' || coalesce(s.benefit_code, v.benefit_code)
            || ' at ' || coalesce(s.begins_at, v.begins_at) || ' has ' || coalesce(s.taken_count, 0)
            || ' places taken and ' || coalesce(v.vouchers, 0) || ' vouchers'
        FROM benefit_slot_counts() s
        FULL JOIN (
            SELECT v.benefit_code, benefit_slot_begins(v.benefit_id, v.expires_at) AS begins_at,
                count(*) AS vouchers
            FROM vouchers v
            LEFT JOIN voucher_endings e
                ON e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id
            LEFT JOIN annulments a
                ON a.citizen_id = v.citizen_id AND a.voucher_id = v.voucher_id
            WHERE coalesce(e.kind NOT IN ('expired', 'given_back'), true) AND a.voucher_id IS NULL
            GROUP BY 1, 2
        ) v ON v.benefit_code = s.benefit_code AND v.begins_at = s.begins_at
        WHERE coalesce(s.begins_at, v.begins_at) IS NOT NULL
          AND coalesce(s.taken_count, 0) <> coalesce(v.vouchers, 0)
        """,
    ),
    (
        "I10",
        """
        SELECT NULL::uuid, NULL::uuid, 'redeemed ' || r.points || ' points, the ledger posted '
            || o.points
        FROM (SELECT coalesce(sum(r.price_points), 0) AS points FROM redemptions r
              WHERE NOT EXISTS (SELECT FROM annulments a WHERE a.citizen_id = r.citizen_id
                                AND a.voucher_id = r.voucher_id)) r,
             (SELECT coalesce(sum(o.ending_units), 0) AS points
              FROM ledger_hold_outcomes('voucher') o
              WHERE o.ending_kind = 'post' AND o.reversal_id IS NULL) o
        WHERE r.points <> o.points
        """,
    ),
    *fairness.CHECKS,
)


def find_faults(session: Session) -> list[Finding]:
    """Run every check; at most FINDINGS_MAX findings each."""
    found: list[Finding] = []
    with reading_whole_tables(session):
        for invariant, sql in CHECKS:
            rows = session.connection().exec_driver_sql(f"{sql} LIMIT {FINDINGS_MAX}")
            found.extend(Finding(invariant, *row) for row in rows)
    return found

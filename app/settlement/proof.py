"""The proof that sheets, the ledger and the budgets agree: queries for what does not.

M1 a sheet's sums and digest are those of its lines · M2 the points of each day's redemptions and
annulments are what the ledger posted and reversed on that day · M3 a budget is what is left, held
by open vouchers and spent, less what came back · M4 no line is booked after its sheet's month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel.database import reading, reading_whole_tables
from app.settlement.closing import DIGEST

FINDINGS_MAX: Final = 2000


@dataclass(frozen=True)
class Finding:
    """One broken promise and where."""

    invariant: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.message} ({self.where})"


@dataclass(frozen=True)
class Budget:
    """What a benefit's subsidies may come to, in fen, and how it is used; across its versions.

    budget = left + held by open vouchers + spent - returned.
    """

    code: str
    subsidy_payer: str
    budget_fen: int
    left_fen: int
    held_fen: int
    spent_fen: int
    returned_fen: int

    @property
    def is_even(self) -> bool:
        """Whether it adds up."""
        used_fen = self.held_fen + self.spent_fen - self.returned_fen
        return self.budget_fen == self.left_fen + used_fen


BUDGETS: Final = """
    SELECT b.code, b.subsidy_payer, b.budget_fen, b.left_fen,
        coalesce(sum(u.held_count * t.subsidy_fen), 0)::bigint AS held_fen,
        coalesce(sum(u.spent_count * t.subsidy_fen), 0)::bigint AS spent_fen,
        coalesce(sum(u.returned_count * t.subsidy_fen), 0)::bigint AS returned_fen
    FROM benefit_budgets b
    LEFT JOIN benefit_terms t ON t.code = b.code AND t.version >= b.since_version
    LEFT JOIN redemption_takings u ON u.benefit_id = t.benefit_id
    GROUP BY b.code, b.subsidy_payer, b.budget_fen, b.left_fen
"""
# Each gives where, message.
CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "M1",
        f"""
        SELECT s.month_on || ' ' || s.merchant_id, 'a sheet and its lines disagree'
        FROM settlement_sheets s LEFT JOIN (
            SELECT l.merchant_id, l.month_on, count(*) AS line_count,
                sum(l.amount_points) AS amount_points, sum(l.subsidy_fen) AS subsidy_fen,
                sum(l.order_fen) AS order_fen, sum(l.owed_fen) AS owed_fen, {DIGEST} AS digest
            FROM settlement_lines l GROUP BY l.merchant_id, l.month_on
        ) f ON f.merchant_id = s.merchant_id AND f.month_on = s.month_on
        WHERE (s.line_count, s.amount_points, s.subsidy_fen, s.order_fen, s.owed_fen, s.digest)
            IS DISTINCT FROM
            (f.line_count, f.amount_points, f.subsidy_fen, f.order_fen, f.owed_fen, f.digest)
        """,
    ),
    (
        "M2",
        """
        SELECT coalesce(u.booked_on, l.effective_on)::text, coalesce(u.kind, l.kind) || ': '
            || coalesce(u.points, 0) || ' points, the ledger has ' || coalesce(l.points, 0)
        FROM (
            SELECT CASE kind WHEN 'redemption' THEN 'post' ELSE 'reversal' END AS kind,
                (booked_at AT TIME ZONE 'Asia/Shanghai')::date AS booked_on, sum(points) AS points
            FROM redemption_uses WHERE points <> 0 GROUP BY 1, 2
        ) u
        FULL JOIN (
            SELECT kind, effective_on, sum(points) AS points FROM ledger_hold_days('voucher')
            GROUP BY 1, 2
        ) l ON l.kind = u.kind AND l.effective_on = u.booked_on
        WHERE coalesce(u.points, 0) <> coalesce(l.points, 0)
        """,
    ),
    (
        "M3",
        f"""
        SELECT code, 'the budget of ' || budget_fen || ' fen is not ' || left_fen || ' left + '
            || held_fen || ' held + ' || spent_fen || ' spent - ' || returned_fen || ' returned'
        FROM ({BUDGETS}) b
        WHERE budget_fen <> left_fen + held_fen + spent_fen - returned_fen
        """,
    ),
    (
        "M4",
        """
        SELECT month_on || ' ' || merchant_id || ' ' || number, 'booked after the month'
        FROM settlement_lines WHERE booked_on >= month_on + interval '1 month'
        """,
    ),
)


def find_faults(session: Session) -> list[Finding]:
    """Run every check; at most FINDINGS_MAX findings each."""
    found: list[Finding] = []
    with reading_whole_tables(session):
        for invariant, sql in CHECKS:
            rows = session.connection().exec_driver_sql(f"{sql} LIMIT {FINDINGS_MAX}")
            found.extend(Finding(invariant, *row) for row in rows)
    return found


def verify() -> list[Finding]:
    """Every disagreement between sheets, the ledger and the budgets; empty when there is none."""
    with reading() as session:
        return find_faults(session)


def list_budgets() -> list[Budget]:
    """The budgets of subsidies, by benefit."""
    with reading() as session:
        rows = session.execute(text(f"{BUDGETS} ORDER BY b.code"))
        return [Budget(**row._mapping) for row in rows]  # noqa: SLF001 -- its public name

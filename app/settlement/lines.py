"""Adding up: the lines of a span of days, derived from the rooms, or as a closed month froze them.

One rule makes sheets: the sheet of a month is everything booked up to its end, less everything that
stands on sheets already.  So nothing is counted twice and nothing is lost, whatever arrives when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text

from app.settlement.sources import ARMS, REVISED

BEGINNING: Final = date(2000, 1, 1)  # before every programme

_KEY: Final = """merchant_id, shop_id, kind, what, version, party, booked_on, origin_month_on"""
_SUMS: Final = """sum(item_count)::bigint AS item_count,
    sum(amount_points)::bigint AS amount_points, sum(subsidy_fen)::bigint AS subsidy_fen,
    sum(order_fen)::bigint AS order_fen, sum(owed_fen)::bigint AS owed_fen"""
_ALL: Final = "true"
# A null test on a column without nulls costs the planner nothing: the shop's index is used.
_OWN: Final = """u.merchant_id = :merchant
    AND (u.shop_id IS NULL OR u.shop_id = ANY (CAST(:shops AS uuid[])))"""
_DERIVED: Final = """
    SELECT f.merchant_id, f.shop_id, f.kind, coalesce(t.code, f.what) AS what, t.version,
        coalesce(t.subsidy_payer, f.party) AS party, f.booked_on, f.origin_month_on, f.item_count,
        f.points AS amount_points,
        f.subsidy_fen + f.item_count * coalesce(t.subsidy_fen, 0) AS subsidy_fen, f.order_fen,
        f.owed_fen + CASE WHEN t.subsidy_payer = 'merchant' THEN 0
            ELSE f.item_count * coalesce(t.subsidy_fen, 0) END AS owed_fen
    FROM (
        SELECT u.merchant_id, u.shop_id, u.kind, u.benefit_id, u.what, u.party,
            (u.booked_at AT TIME ZONE 'Asia/Shanghai')::date AS booked_on,
            date_trunc('month', u.origin_at AT TIME ZONE 'Asia/Shanghai')::date AS origin_month_on,
            sum(u.item_count)::bigint AS item_count, sum(u.points)::bigint AS points,
            sum(u.subsidy_fen)::bigint AS subsidy_fen, sum(u.order_fen)::bigint AS order_fen,
            sum(u.owed_fen)::bigint AS owed_fen
        FROM ({arms}) u
        WHERE {scope}
          AND u.booked_at < CAST(:until_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'
          AND (u.booked_at >= CAST(:from_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'
               OR CAST(:with_late AS boolean) AND u.kind = ANY (CAST(:revised AS text[])))
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ) f LEFT JOIN benefit_terms t ON t.benefit_id = f.benefit_id
"""
_LESS_FROZEN: Final = """
    SELECT {key}, {sums} FROM (
        {derived}
        UNION ALL
        SELECT u.merchant_id, u.shop_id, u.kind, u.what, u.version, u.party, u.booked_on,
            u.origin_month_on, -u.item_count, -u.amount_points, -u.subsidy_fen, -u.order_fen,
            -u.owed_fen
        FROM settlement_lines u
        WHERE {scope} AND CAST(:with_late AS boolean)
          AND u.booked_on < :until_on
          AND (u.booked_on >= :from_on OR u.kind = ANY (CAST(:revised AS text[])))
    ) d
    GROUP BY {key}
    HAVING sum(item_count) <> 0 OR sum(amount_points) <> 0 OR sum(subsidy_fen) <> 0
        OR sum(order_fen) <> 0 OR sum(owed_fen) <> 0
"""


def _statement(scope: str) -> str:
    return _LESS_FROZEN.format(
        key=_KEY, sums=_SUMS, scope=scope, derived=_DERIVED.format(arms=ARMS, scope=scope)
    )


OPEN_LINES: Final = _statement(_ALL)
OWN_OPEN_LINES: Final = _statement(_OWN)
FROZEN_LINES: Final = f"""
    SELECT {_KEY}, item_count, amount_points, subsidy_fen, order_fen, owed_fen
    FROM settlement_lines
"""


@dataclass(frozen=True)
class Span:
    """Days from `from_on` up to before `until_on`; `with_late`: and what came too late before."""

    from_on: date
    until_on: date
    with_late: bool

    def parameters(self) -> dict[str, Any]:
        """What the statements take."""
        return {**vars(self), "revised": list(REVISED)}


@dataclass(frozen=True)
class Scope:
    """One merchant with its shops, or everybody's (None)."""

    merchant_id: UUID | None
    shop_ids: tuple[UUID, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """What the statements of one merchant take."""
        return {"merchant": self.merchant_id, "shops": list(self.shop_ids)}


def lines_statement(scope: Scope) -> TextClause:
    """The lines of a span that stand on no sheet."""
    return text(OPEN_LINES if scope.merchant_id is None else OWN_OPEN_LINES)

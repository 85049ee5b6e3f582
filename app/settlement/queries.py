"""Statements of days, sheets of months, how far the months are: derived until they are closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.kernel.clock import city_today
from app.kernel.database import reading
from app.merchants.names import name_shops
from app.settlement.lines import (
    BEGINNING,
    FROZEN_LINES,
    Scope,
    Span,
    lines_statement,
)
from app.settlement.models import (
    ClosedMonth,
    Correction,
    Sheet,
    SheetAnswer,
)

ROWS_MAX: Final = 100_000  # of one statement or sheet
MONTHS_MAX: Final = 240
ADD_UP_TIMEOUT: Final = "20s"  # for everybody's; a merchant's own takes milliseconds
_SHORT: Final = text(f"SET LOCAL statement_timeout = '{ADD_UP_TIMEOUT}'")
_APART: Final = text("""
    SELECT o.merchant_id, o.shop_id, o.benefit_code AS what,
        CASE WHEN o.outcome IS NULL THEN o.standing ELSE 'refused' END AS standing,
        count(*) AS item_count
    FROM offline_uses o
    WHERE coalesce(o.outcome, o.standing) <> 'counted'
      AND (CAST(:merchant AS uuid) IS NULL OR o.merchant_id = :merchant)
      AND o.received_at >= CAST(:from_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND o.received_at < CAST(:until_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT :limit
""")
_UNDECIDED: Final = """
    FROM offline_uses o
    WHERE o.standing <> 'counted' AND o.outcome IS NULL
      AND o.received_at >= CAST(:from_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND o.received_at < CAST(:until_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'
"""
_COUNT_UNDECIDED: Final = text(f"SELECT count(*) {_UNDECIDED}")
_LIST_UNDECIDED: Final = text(f"""
    SELECT o.device_id, o.scan_id, o.merchant_id, o.shop_id, o.benefit_code, o.standing, o.fault,
        o.scanned_at, o.received_at
    {_UNDECIDED} ORDER BY o.received_at, o.device_id, o.scan_id LIMIT :limit
""")
_FROZEN_DAY: Final = text(f"""
    {FROZEN_LINES} WHERE booked_on = :on AND month_on = :month
      AND (CAST(:merchant AS uuid) IS NULL OR merchant_id = :merchant)
""")
_FROZEN_MONTH: Final = text(f"""
    {FROZEN_LINES} WHERE month_on = :month
      AND (CAST(:merchant AS uuid) IS NULL OR merchant_id = :merchant)
""")
# Of a month the proposal that was confirmed, else the last one.
_MONTHS: Final = text("""
    SELECT DISTINCT ON (p.month_on) p.month_on, CASE WHEN m.closed_at IS NOT NULL THEN 'closed'
            WHEN c.closing_id IS NOT NULL THEN 'closing' ELSE 'proposed' END AS state,
        p.closing_id, p.proposed_by, p.carried_over_count, m.closed_at
    FROM settlement_closings p
    LEFT JOIN settlement_confirmations c ON c.month_on = p.month_on
    LEFT JOIN settlement_months m ON m.month_on = p.month_on
    WHERE coalesce(c.closing_id, p.closing_id) = p.closing_id
    ORDER BY p.month_on DESC, p.created_at DESC, p.closing_id DESC LIMIT :limit
""")


@dataclass(frozen=True)
class Line:
    """Uses of one kind at one place; points are points, the rest is fen; owed to the merchant."""

    merchant_id: UUID
    shop_id: UUID | None
    kind: str
    what: str | None
    version: int | None
    party: str | None
    booked_on: date
    origin_month_on: date
    item_count: int
    amount_points: int
    subsidy_fen: int
    order_fen: int
    owed_fen: int


@dataclass(frozen=True)
class Apart:
    """Scans off line that are in no sum: parked, disputed, or refused by an operator."""

    merchant_id: UUID
    shop_id: UUID
    what: str | None
    standing: str
    item_count: int


@dataclass(frozen=True)
class Totals:
    """The sums of lines."""

    amount_points: int
    subsidy_fen: int
    order_fen: int
    owed_fen: int


@dataclass(frozen=True)
class Statement:
    """A day, or a month: its lines and what stands apart.  `is_frozen`: it never changes again."""

    from_on: date
    until_on: date  # the first day that is not in it
    is_frozen: bool
    lines: tuple[Line, ...]
    apart: tuple[Apart, ...]

    @property
    def totals(self) -> Totals:
        """The sums of all lines."""
        return add_up(self.lines)


@dataclass(frozen=True)
class Month:
    """How far a month is: proposed, closing (confirmed) or closed."""

    month_on: date
    state: str
    closing_id: UUID
    proposed_by: UUID
    carried_over_count: int
    closed_at: datetime | None


@dataclass(frozen=True)
class SealedSheet:
    """The head of a frozen sheet; `state` is closed, accepted, objected or answered."""

    merchant_id: UUID
    month_on: date
    line_count: int
    totals: Totals
    digest: bytes
    state: str
    reason: str | None


def add_up(lines: Iterable[Line]) -> Totals:
    """The sums of lines."""
    found = list(lines)
    return Totals(
        amount_points=sum(line.amount_points for line in found),
        subsidy_fen=sum(line.subsidy_fen for line in found),
        order_fen=sum(line.order_fen for line in found),
        owed_fen=sum(line.owed_fen for line in found),
    )


def first_day(month: str) -> date:
    """The first day of a month that is written like 2026-11."""
    return date.fromisoformat(f"{month}-01")


def next_month(month_on: date) -> date:
    """The first day of the month after."""
    return (month_on + timedelta(days=31)).replace(day=1)


def scope_of(merchant_id: UUID | None) -> Scope:
    """A merchant with its shops, or everybody."""
    if merchant_id is None:
        return Scope(None)
    return Scope(merchant_id, tuple(name_shops(merchant_ids=[merchant_id])))


def day_statement(*, merchant_id: UUID | None, on: date) -> Statement:
    """What was booked on a day in the city; of a closed month as it was frozen."""
    scope, month_on = scope_of(merchant_id), on.replace(day=1)
    with reading() as session:
        is_frozen = session.get(ClosedMonth, month_on) is not None
        if is_frozen:
            parameters = {"on": on, "month": month_on, "merchant": merchant_id}
            lines = _lines(session.execute(_FROZEN_DAY, parameters))
        else:
            lines = derive_lines(session, scope, Span(on, on + timedelta(days=1), with_late=False))
        until_on = on + timedelta(days=1)
        return Statement(on, until_on, is_frozen, lines, _apart(session, scope, on, until_on))


def month_statement(*, merchant_id: UUID | None, month_on: date) -> Statement:
    """A month: its sheets when it is closed, until then a draft of them."""
    scope, until_on = scope_of(merchant_id), next_month(month_on)
    with reading() as session:
        is_frozen = session.get(ClosedMonth, month_on) is not None
        if is_frozen:
            parameters = {"month": month_on, "merchant": merchant_id}
            lines = _lines(session.execute(_FROZEN_MONTH, parameters))
        else:
            lines = derive_lines(session, scope, span_of(session, month_on))
        apart = _apart(session, scope, month_on, until_on)
        return Statement(month_on, until_on, is_frozen, lines, apart)


def derive_lines(session: Session, scope: Scope, span: Span) -> tuple[Line, ...]:
    """The lines of a span that stand on no sheet, in a stable order."""
    if scope.merchant_id is None:
        session.execute(_SHORT)
    parameters = span.parameters() | scope.parameters()
    return _lines(session.execute(lines_statement(scope), parameters))


def span_of(session: Session, month_on: date) -> Span:
    """What a month's sheet takes in: itself, and when it is the next one, all that came too late.

    The first month that is ever closed takes in everything before it.
    """
    until_on = next_month(month_on)
    last_on = last_closed(session)
    if last_on is None and until_on <= city_today(session):
        return Span(BEGINNING, until_on, with_late=True)
    if last_on is not None and next_month(last_on) == month_on:
        return Span(last_on, until_on, with_late=True)
    return Span(month_on, until_on, with_late=False)


def last_closed(session: Session) -> date | None:
    """The last month whose sheets are frozen."""
    return session.scalar(select(func.max(ClosedMonth.month_on)))


def count_undecided(session: Session, month_on: date) -> int:
    """Scans that came in a month, do not count by themselves, and nobody has decided."""
    span = {"from_on": month_on, "until_on": next_month(month_on)}
    return int(session.execute(_COUNT_UNDECIDED, span).scalar_one())


def list_undecided(*, month_on: date, limit: int) -> list[dict[str, Any]]:
    """The same scans, the first received first."""
    span = {"from_on": month_on, "until_on": next_month(month_on), "limit": limit}
    with reading() as session:
        return [dict(row._mapping) for row in session.execute(_LIST_UNDECIDED, span)]  # noqa: SLF001 -- its public name


def list_months() -> list[Month]:
    """The months that somebody proposed to close, the newest first; of each its last proposal."""
    with reading() as session:
        rows = session.execute(_MONTHS, {"limit": MONTHS_MAX})
        return [Month(**row._mapping) for row in rows]  # noqa: SLF001 -- its public name


def list_sheets(
    *, merchant_id: UUID | None = None, month_on: date | None = None, limit: int = ROWS_MAX
) -> list[SealedSheet]:
    """Frozen sheets, of one merchant or one month, the newest first."""
    corrected = (
        select(Correction.correction_id)
        .where(
            Correction.merchant_id == Sheet.merchant_id,
            Correction.origin_month_on == Sheet.month_on,
            Correction.created_at > SheetAnswer.created_at,
        )
        .exists()
    )
    query = select(Sheet, SheetAnswer, corrected).outerjoin(SheetAnswer)
    if merchant_id is not None:
        query = query.where(Sheet.merchant_id == merchant_id)
    if month_on is not None:
        query = query.where(Sheet.month_on == month_on)
    query = query.order_by(Sheet.month_on.desc(), Sheet.merchant_id).limit(limit)
    with reading() as session:
        return [_sealed(*row) for row in session.execute(query)]


def _lines(rows: Iterable[Any]) -> tuple[Line, ...]:
    found = [Line(**row._mapping) for row in rows]  # noqa: SLF001 -- its public name
    return tuple(sorted(found, key=_order))


def _order(line: Line) -> tuple[Any, ...]:
    place = (line.merchant_id, line.shop_id or UUID(int=0), line.what or "", line.version or 0)
    return (*place, line.kind, line.party or "", line.origin_month_on, line.booked_on)


def _apart(session: Session, scope: Scope, from_on: date, until_on: date) -> tuple[Apart, ...]:
    rows = session.execute(_APART, {
        "merchant": scope.merchant_id, "from_on": from_on, "until_on": until_on,
        "limit": ROWS_MAX,
    })  # fmt: skip
    return tuple(Apart(**row._mapping) for row in rows)  # noqa: SLF001 -- its public name


def _sealed(sheet: Sheet, answer: SheetAnswer | None, corrected: bool) -> SealedSheet:  # noqa: FBT001 -- private
    state = "closed" if answer is None else answer.answer
    return SealedSheet(
        merchant_id=sheet.merchant_id, month_on=sheet.month_on, line_count=sheet.line_count,
        totals=Totals(
            sheet.amount_points, sheet.subsidy_fen, sheet.order_fen, sheet.owed_fen
        ),
        digest=sheet.digest, state="answered" if state == "objected" and corrected else state,
        reason=answer.reason if answer else None,
    )

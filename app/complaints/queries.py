"""Reading complaints: a citizen's own, those about a merchant, those that wait for an operator.

A complaint's state is what its rows say: answered, decided, else open until the merchant's day is
over, then escalated; at once where the merchant has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, case, cast, func, select

from app.complaints.models import Answer, Complaint, Decision
from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading

OPEN: Final = "open"
ESCALATED: Final = "escalated"
STATE: Final[ColumnElement[str]] = case(
    (Decision.complaint_id.is_not(None), "decided"),
    (Answer.complaint_id.is_not(None), "answered"),
    (Complaint.due_on.is_(None) | (Complaint.due_on < CITY_TODAY), ESCALATED),
    else_=OPEN,
)


@dataclass(frozen=True)
class KeptComplaint:
    """A complaint as it stands; the words stay sealed until somebody opens them."""

    citizen_id: UUID
    complaint_id: UUID
    voucher_id: UUID
    redemption_id: UUID | None
    merchant_id: UUID
    shop_id: UUID
    category: str
    has_text: bool
    text_shared: bool
    state: str
    due_on: date | None
    decide_due_on: date
    created_at: datetime
    answered_at: datetime | None
    outcome: str | None
    decided_at: datetime | None
    text_sealed: bytes | None = field(repr=False)
    answer_sealed: bytes | None = field(repr=False)
    reason_sealed: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Figures:
    """How a merchant treats complaints; the share is in whole percent, null without any due."""

    received_count: int
    answered_count: int
    in_time_percent: int | None


def list_of_citizen(*, citizen_id: UUID, limit: int, before: UUID | None) -> list[KeptComplaint]:
    """A citizen's complaints, the latest first; ids are made in the order of time."""
    return _page(_complaints().where(Complaint.citizen_id == citizen_id), limit, before)


def list_of_merchant(*, merchant_id: UUID, limit: int, before: UUID | None) -> list[KeptComplaint]:
    """The complaints about a merchant, the latest first."""
    return _page(_complaints().where(Complaint.merchant_id == merchant_id), limit, before)


def list_escalated(*, limit: int, before: UUID | None) -> list[KeptComplaint]:
    """The complaints that wait for an operator, the latest first."""
    return _page(_complaints().where(STATE == ESCALATED), limit, before)


def find_complaint(
    *, complaint_id: UUID, merchant_id: UUID | None = None, citizen_id: UUID | None = None
) -> KeptComplaint | None:
    """A complaint: about this merchant, of this citizen, where one is named.

    Ids are made by citizens: should two have made the same one, the first counts for the others.
    """
    query = _complaints().where(Complaint.complaint_id == complaint_id)
    if citizen_id is not None:
        query = query.where(Complaint.citizen_id == citizen_id)
    if merchant_id is not None:
        query = query.where(Complaint.merchant_id == merchant_id)
    with reading() as session:
        row = session.execute(query.order_by(Complaint.created_at).limit(1)).one_or_none()
        return None if row is None else _kept(*row)


def figures_of_merchant(*, merchant_id: UUID) -> Figures:
    """Complaints received, answered, and the share that was answered in time."""
    answered_on = cast(func.timezone("Asia/Shanghai", Answer.answered_at), Date)
    in_time = func.count().filter(answered_on <= Complaint.due_on)
    due = func.count().filter(
        Answer.complaint_id.is_not(None) | (Complaint.due_on < CITY_TODAY)
    )
    query = (
        select(
            func.count(), func.count(Answer.complaint_id), in_time * 100 / func.nullif(due, 0)
        )
        .select_from(Complaint)
        .outerjoin(Answer, _same(Answer))
        .where(Complaint.merchant_id == merchant_id)
    )
    with reading() as session:
        received, answered, percent = session.execute(query).one()
    return Figures(received, answered, None if percent is None else int(percent))


def complaint_state() -> dict[str, float]:
    """Gauges: complaints that wait for an operator, and those past the operator's day."""
    late = func.count().filter(Complaint.decide_due_on < CITY_TODAY)
    query = (
        select(func.count(), late)
        .select_from(Complaint)
        .outerjoin(Answer, _same(Answer))
        .outerjoin(Decision, _same(Decision))
        .where(STATE == ESCALATED)
    )
    with reading() as session:
        row = session.execute(query).one()
    names = ("complaints_escalated", "complaints_late")
    return {name: float(count) for name, count in zip(names, row, strict=True)}


def _complaints() -> Select[Any, Any, Any, Any]:
    return (
        select(Complaint, Answer, Decision, STATE)
        .outerjoin(Answer, _same(Answer))
        .outerjoin(Decision, _same(Decision))
    )


def _same(table: type[Answer | Decision]) -> ColumnElement[bool]:
    return (table.citizen_id == Complaint.citizen_id) & (
        table.complaint_id == Complaint.complaint_id
    )


def _page(
    query: Select[Any, Any, Any, Any], limit: int, before: UUID | None
) -> list[KeptComplaint]:
    if before is not None:
        query = query.where(Complaint.complaint_id < before)
    with reading() as session:
        rows = session.execute(query.order_by(Complaint.complaint_id.desc()).limit(limit))
        return [_kept(*row) for row in rows]


def _kept(
    row: Complaint, answer: Answer | None, decision: Decision | None, state: str
) -> KeptComplaint:
    return KeptComplaint(
        row.citizen_id, row.complaint_id, row.voucher_id, row.redemption_id, row.merchant_id,
        row.shop_id, row.category, row.text_sealed is not None, row.text_shared, state,
        row.due_on, row.decide_due_on, row.created_at,
        None if answer is None else answer.answered_at,
        None if decision is None else decision.outcome,
        None if decision is None else decision.decided_at,
        row.text_sealed,
        None if answer is None else answer.answer_sealed,
        None if decision is None else decision.reason_sealed,
    )

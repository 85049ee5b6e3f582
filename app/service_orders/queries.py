"""Reading lines and service orders: the holder's own, and those of one merchant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.disputes.queries import ORDER, Item, find_disputed
from app.kernel.database import reading
from app.service_orders.models import (
    GuaranteeLine,
    GuaranteeLineDecision,
    ServiceOrder,
    ServiceOrderStep,
)
from app.service_orders.proof import Finding, find_faults
from app.service_orders.transitions import OWING


@dataclass(frozen=True)
class Line:
    """What a guarantor stands for; usable once a second operator has confirmed it.

    `benefit_code` None: it was made before lines named the benefit that they carry out.
    """

    line_id: UUID
    kind: str
    name: str
    guarantor_kind: str
    guarantor_code: str
    guarantor_name: str
    merchant_ids: tuple[UUID, ...]
    tiers: Mapping[str, int]
    confirm_above_fen: int
    start_within_seconds: int
    use_within_seconds: int
    claim_within_seconds: int
    pay_within_days: int
    collection: str
    benefit_code: str | None
    is_confirmed: bool

    @property
    def purpose(self) -> str:
        """The name of its accounts in the ledger."""
        return f"line.{self.line_id}"


@dataclass(frozen=True)
class Order:
    """A service order as it stands; amounts in fen.  `is_disputed`: an objection to it is open.

    In use it is to be back by `use_ends_at`, and can be billed or claimed until `deadline_at`.
    """

    citizen_id: UUID
    order_id: UUID
    line_id: UUID
    kind: str
    line_name: str
    guarantor_name: str
    collection: str
    state: str
    merchant_id: UUID | None
    held_fen: int
    billed_fen: int
    insured_fen: int
    owed_fen: int
    use_ends_at: datetime
    deadline_at: datetime | None
    due_at: datetime | None
    created_at: datetime
    is_disputed: bool


def count_served(*, merchant_id: UUID, at_most: int) -> int:
    """How many orders were begun to be used at a merchant, counted up to `at_most`."""
    begun = select(ServiceOrderStep.order_id).where(
        ServiceOrderStep.citizen_id == ServiceOrder.citizen_id,
        ServiceOrderStep.order_id == ServiceOrder.order_id,
        ServiceOrderStep.event == "start",
    )
    served = (
        select(ServiceOrder.order_id)
        .where(ServiceOrder.merchant_id == merchant_id, begun.exists())
        .limit(at_most)
    )
    with reading() as session:
        return int(session.scalar(select(func.count()).select_from(served.subquery())) or 0)


def find_line(*, line_id: UUID) -> Line | None:
    """A line, confirmed or not."""
    with reading() as session:
        row = session.get(GuaranteeLine, line_id)
        if row is None:
            return None
        return _line(row, session.get(GuaranteeLineDecision, line_id) is not None)


def list_lines(*, confirmed_only: bool = True) -> list[Line]:
    """The lines, the newest first."""
    query = (
        select(GuaranteeLine, GuaranteeLineDecision.line_id)
        .outerjoin(GuaranteeLineDecision)
        .order_by(GuaranteeLine.created_at.desc(), GuaranteeLine.line_id)
    )
    with reading() as session:
        found = [_line(row, decided is not None) for row, decided in session.execute(query)]
    return [line for line in found if line.is_confirmed or not confirmed_only]


def find_order(*, citizen_id: UUID, order_id: UUID) -> Order | None:
    """An order of a citizen."""
    query = _orders().where(
        ServiceOrder.citizen_id == citizen_id, ServiceOrder.order_id == order_id
    )
    with reading() as session:
        return next(iter(_read(session, query)), None)


def list_orders(*, citizen_id: UUID, limit: int, before: UUID | None = None) -> list[Order]:
    """A citizen's orders, the latest first; ids are made in the order of time."""
    query = _orders().where(ServiceOrder.citizen_id == citizen_id)
    if before is not None:
        query = query.where(ServiceOrder.order_id < before)
    with reading() as session:
        return _read(session, query.order_by(ServiceOrder.order_id.desc()).limit(limit))


def list_merchant_orders(
    *, merchant_id: UUID, limit: int, before: datetime | None = None
) -> list[Order]:
    """The orders that a merchant has started, the latest made first."""
    query = _orders().where(ServiceOrder.merchant_id == merchant_id)
    if before is not None:
        query = query.where(ServiceOrder.created_at < before)
    with reading() as session:
        return _read(session, query.order_by(ServiceOrder.created_at.desc()).limit(limit))


def verify() -> list[Finding]:
    """Every disagreement between orders, their steps and the ledger; empty when there is none.

    Checks O1 to O4 in SQL, see `app.service_orders.proof`.
    """
    with reading() as session:
        return find_faults(session)


def has_overdue(*, citizen_id: UUID, kind: str) -> bool:
    """Whether something of this kind is owed past its day, by the database's clock."""
    query = select(ServiceOrder.order_id).where(
        ServiceOrder.citizen_id == citizen_id,
        ServiceOrder.kind == kind,
        ServiceOrder.state.in_(OWING),
        ServiceOrder.due_at <= func.clock_timestamp(),
    )
    with reading() as session:
        return session.scalar(query.limit(1)) is not None


def _orders() -> Select[ServiceOrder, str, str, str]:
    line = GuaranteeLine
    return select(ServiceOrder, line.name, line.guarantor_name, line.collection).join(line)


def _read(session: Session, query: Select[ServiceOrder, str, str, str]) -> list[Order]:
    found = session.execute(query).all()
    disputed = find_disputed(kind=ORDER, citizen_ids={row.citizen_id for row, *_ in found})
    return [
        Order(
            citizen_id=row.citizen_id, order_id=row.order_id, line_id=row.line_id, kind=row.kind,
            line_name=name, guarantor_name=guarantor, collection=collection, state=row.state,
            merchant_id=row.merchant_id, held_fen=row.held_fen, billed_fen=row.billed_fen,
            insured_fen=row.insured_fen, owed_fen=row.owed_fen,
            use_ends_at=row.use_ends_at or row.hold_expires_at, deadline_at=row.deadline_at,
            due_at=row.due_at, created_at=row.created_at,
            is_disputed=(row.citizen_id, Item(ORDER, str(row.order_id))) in disputed,
        )
        for row, name, guarantor, collection in found
    ]


def _line(row: GuaranteeLine, confirmed: bool) -> Line:  # noqa: FBT001 -- private
    return Line(
        line_id=row.line_id, kind=row.kind, name=row.name, guarantor_kind=row.guarantor_kind,
        guarantor_code=row.guarantor_code, guarantor_name=row.guarantor_name,
        merchant_ids=tuple(row.merchant_ids), tiers=row.tiers,
        confirm_above_fen=row.confirm_above_fen, start_within_seconds=row.start_within_seconds,
        use_within_seconds=row.use_within_seconds,
        claim_within_seconds=row.claim_within_seconds, pay_within_days=row.pay_within_days,
        collection=row.collection, benefit_code=row.benefit_code, is_confirmed=confirmed,
    )

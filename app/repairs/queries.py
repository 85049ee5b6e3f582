"""Reading applications for repair, and the notices of what has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.disputes.queries import REPAIR, Item, find_disputed
from app.kernel.clock import CITY_TODAY, city_today
from app.kernel.crypto import field_context, seal, unseal_with
from app.kernel.database import reading
from app.kernel.keys import Key
from app.kernel.working_days import add_working_days
from app.members.queries import names_of_actors
from app.repairs.models import EndNotice, RepairApplication

TABLE: Final = "repair_applications"
REJECTED: Final = "rejected"
AT_RISK_DAYS: Final = 1  # working days before the term is over


@dataclass(frozen=True)
class RepairLine:
    """An application in a list: nothing of what was written."""

    application_id: UUID
    record_type: str
    record_number: str
    state: str
    filed_on: date
    decide_due_on: date
    decided_at: datetime | None
    is_disputed: bool


@dataclass(frozen=True)
class Rejected:
    """An application that was rejected, and by whom."""

    line: RepairLine
    decided_by: UUID | None


@dataclass(frozen=True)
class Repair:
    """An application with what was written, and who decided by work name."""

    line: RepairLine
    evidence: str
    commitment: str
    reasons: str | None
    decided_by: str | None


@dataclass(frozen=True)
class Notice:
    """What a receiver is told: not to use any more what it was told up to `last_shared_at`."""

    notice_id: UUID
    receiver_kind: str
    receiver_id: UUID
    share_count: int
    last_shared_at: datetime
    ended_on: date


def list_open(*, is_at_risk: bool, limit: int) -> list[RepairLine]:
    """What is to be decided, the most urgent first; at risk: due by the next working day."""
    query = select(RepairApplication).where(RepairApplication.state == "open")
    if is_at_risk:
        query = query.where(RepairApplication.decide_due_on <= _risky_until())
    ordered = query.order_by(RepairApplication.decide_due_on, RepairApplication.application_id)
    with reading() as session:
        return [line_of(row) for row in session.scalars(ordered.limit(limit))]


def repair_state() -> dict[str, float]:
    """Gauges: applications due by the next working day, and those past their day."""
    at_risk = func.count().filter(RepairApplication.decide_due_on <= _risky_until())
    late = func.count().filter(RepairApplication.decide_due_on < CITY_TODAY)
    with reading() as session:
        row = session.execute(
            select(at_risk, late).where(RepairApplication.state == "open")
        ).one()
    return {"repairs_at_risk": float(row[0]), "repairs_late": float(row[1])}


def list_own(session: Session, *, key: Key, citizen_id: UUID, limit: int) -> list[Repair]:
    """A citizen's applications, the latest first."""
    query = (
        select(RepairApplication)
        .where(RepairApplication.citizen_id == citizen_id)
        .order_by(RepairApplication.application_id.desc())
        .limit(limit)
    )
    return [read_whole(key, row) for row in session.scalars(query)]


def find_by_id(session: Session, application_id: UUID) -> RepairApplication | None:
    """An application by its id alone, locked until the end of the transaction."""
    query = select(RepairApplication).where(RepairApplication.application_id == application_id)
    locked = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(locked).first()


def find_rejected(*, citizen_id: UUID, application_id: UUID) -> Rejected | None:
    """An application of a citizen that was rejected."""
    with reading() as session:
        row = session.get(RepairApplication, (citizen_id, application_id))
        if row is None or row.state != REJECTED:
            return None
        return Rejected(line_of(row), row.decided_by)


def list_notices(
    *, receiver_id: UUID | None, limit: int, after: UUID | None = None
) -> list[Notice]:
    """The notices to one receiver, or to all, in the order of time."""
    query = select(EndNotice).order_by(EndNotice.notice_id).limit(limit)
    if receiver_id is not None:
        query = query.where(EndNotice.receiver_id == receiver_id)
    if after is not None:
        query = query.where(EndNotice.notice_id > after)
    with reading() as session:
        return [
            Notice(
                row.notice_id, row.receiver_kind, row.receiver_id, row.share_count,
                row.last_shared_at, row.ended_on,
            )
            for row in session.scalars(query)
        ]


def read_whole(key: Key, row: RepairApplication) -> Repair:
    """An application, opened with its citizen's key."""
    names = names_of_actors(actor_ids=[row.decided_by] if row.decided_by else [])
    return Repair(
        line=line_of(row),
        evidence=_open(key, row.evidence_sealed, "evidence_sealed", row.application_id),
        commitment=_open(key, row.commitment_sealed, "commitment_sealed", row.application_id),
        reasons=None if row.reasons_sealed is None else _open(
            key, row.reasons_sealed, "reasons_sealed", row.application_id
        ),
        decided_by=None if row.decided_by is None else names.get(row.decided_by),
    )


def line_of(row: RepairApplication) -> RepairLine:
    """An application without what was written."""
    return RepairLine(
        application_id=row.application_id, record_type=row.record_type,
        record_number=row.record_number, state=row.state, filed_on=row.filed_on,
        decide_due_on=row.decide_due_on, decided_at=row.decided_at, is_disputed=_is_disputed(row),
    )


def _is_disputed(row: RepairApplication) -> bool:
    """Whether an objection to it is open; only what was rejected can be objected to."""
    item = Item(REPAIR, str(row.application_id))
    return row.state == REJECTED and (row.citizen_id, item) in find_disputed(
        kind=REPAIR, citizen_ids=[row.citizen_id]
    )


def _risky_until() -> date:
    with reading() as session:
        return add_working_days(city_today(session), AT_RISK_DAYS)


def seal_text(key: Key, value: str, column: str, application_id: UUID) -> bytes:
    """A text, sealed for its column of its application."""
    context = field_context(table=TABLE, column=column, row_id=application_id)
    return seal(key, value.encode(), context=context)


def _open(key: Key, sealed: bytes, column: str, application_id: UUID) -> str:
    context = field_context(table=TABLE, column=column, row_id=application_id)
    return unseal_with(key, sealed, context=context).decode()

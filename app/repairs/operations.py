"""A citizen asks for the repair of an adverse record; an operator decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from app.disputes.queries import RECORD, Item, find_disputed
from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.errors import IdReused
from app.kernel.keys import Key, KeyProvider
from app.kernel.working_days import add_working_days
from app.members.profiles import CitizenNotFound
from app.members.queries import find_data_key
from app.records.adverse import Adverse, end_repaired, find_adverse, list_adverse
from app.records.queries import catalogue_in_force
from app.records.severity import Severity, repair_from
from app.repairs import queries, refusals
from app.repairs.endings import tell
from app.repairs.models import RepairApplication
from app.repairs.queries import Repair, RepairLine, line_of, read_whole, seal_text
from app.trail.operations import Actor, record_access, require_reason

GRANTED: Final = "granted"
OWN_MAX: Final = 100
# Of one citizen one application at a time is filed.
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('repairs:' || :citizen, 0))")


@dataclass(frozen=True)
class OwnAdverse:
    """An adverse record as its citizen sees it, and from when on a repair may be asked for."""

    record: Adverse
    title: str
    legal_basis: str
    severity: Severity | None
    repair_from_on: date
    is_disputed: bool


@dataclass(frozen=True)
class Request:
    """What a citizen sends: which record, what proves the mending, and what they commit to."""

    record_type: str
    record_number: str
    evidence: str
    commitment: str


def list_own_adverse(*, citizen_id: UUID) -> list[OwnAdverse]:
    """The adverse records of a citizen that count now."""
    found = list_adverse(citizen_id=citizen_id, limit=OWN_MAX)
    if not found:  # before the first catalogue nobody has any
        return []
    kinds = catalogue_in_force().record_types
    disputed = find_disputed(kind=RECORD, citizen_ids=[citizen_id])
    return [
        OwnAdverse(
            record=one, title=kinds[one.record_type].title,
            legal_basis=kinds[one.record_type].legal_basis,
            severity=kinds[one.record_type].severity, repair_from_on=_repair_from(one),
            is_disputed=(
                citizen_id, Item.of_record(one.record_type, one.record_number)
            ) in disputed,
        )
        for one in found
    ]


def list_own_repairs(*, keys: KeyProvider, citizen_id: UUID) -> list[Repair]:
    """The citizen's applications, the latest first."""
    key = _data_key(keys, citizen_id)
    with reading() as session:
        return queries.list_own(session, key=key, citizen_id=citizen_id, limit=OWN_MAX)


def ask_repair(
    *, keys: KeyProvider, decide_days: int, citizen_id: UUID, application_id: UUID,
    request: Request, beside: Callable[[], None] | None = None,
) -> Repair:
    """Apply; the same id again gives the application that there is, for another one IdReused.

    `beside` stands in the transaction of the applying, for who applies in somebody's name.

    Refuses `adverse_record_unknown`, `repair_too_early`, `repair_pending`.
    """
    key = _data_key(keys, citizen_id)
    with transaction() as session:
        session.execute(_LOCK, {"citizen": str(citizen_id)})
        if beside is not None:
            beside()
        held = session.get(RepairApplication, (citizen_id, application_id))
        if held is None:
            _require_ready(session, citizen_id, request)
            held = _new(key, application_id, request, today=city_today(session))
            held.citizen_id = citizen_id
            held.decide_due_on = add_working_days(held.filed_on, decide_days)
            session.add(held)
            session.flush()
        found = read_whole(key, held)
    if _request_of(found) != request:
        raise IdReused
    return found


def open_repair(
    *, keys: KeyProvider, operator_id: UUID, application_id: UUID, reason: str
) -> Repair:
    """All of an application, for a reason that the citizen will read.  RepairUnknown."""
    reason = require_reason(reason)
    with transaction() as session:
        row = _locked(session, application_id)
        record_access(
            citizen_id=row.citizen_id, actor=Actor("operator", operator_id),
            action="repair_read", fields=["evidence", "commitment"], reason=reason,
            basis="repair",
        )
        return read_whole(_data_key(keys, row.citizen_id), row)


def decide_repair(
    *, keys: KeyProvider, operator_id: UUID, application_id: UUID, outcome: str, reasons: str
) -> RepairLine:
    """Grant or reject.  Granted, the record counts no more from today on and everybody is told.

    Refuses `repair_unknown`, `repair_decided`.
    """
    with transaction() as session:
        row = _locked(session, application_id)
        if row.state != "open":
            raise refusals.RepairDecided
        key = _data_key(keys, row.citizen_id)
        moment = session.execute(select(func.clock_timestamp())).scalar_one()
        row.state, row.decided_by, row.decided_at = outcome, operator_id, moment
        row.reasons_sealed = seal_text(key, reasons, "reasons_sealed", application_id)
        session.flush()
        record_access(
            citizen_id=row.citizen_id, actor=Actor("operator", operator_id),
            action="repair_decided", fields=[outcome], basis="repair",
        )
        if outcome == GRANTED:
            _end(row, on=city_today(session))
        return line_of(row)


def _end(row: RepairApplication, *, on: date) -> None:
    end_repaired(
        citizen_id=row.citizen_id, record_type=row.record_type,
        record_number=row.record_number, on=on,
    )
    ended = find_adverse(
        citizen_id=row.citizen_id, record_type=row.record_type, record_number=row.record_number
    )
    assert ended is not None
    tell(ended)


def _require_ready(session: Session, citizen_id: UUID, request: Request) -> None:
    found = find_adverse(
        citizen_id=citizen_id, record_type=request.record_type,
        record_number=request.record_number,
    )
    today = city_today(session)
    if found is None or found.ends_on <= today:
        raise refusals.AdverseRecordUnknown
    if today < _repair_from(found):
        raise refusals.RepairTooEarly(repair_from_on=_repair_from(found).isoformat())
    pending = exists().where(
        RepairApplication.citizen_id == citizen_id, RepairApplication.state == "open",
        RepairApplication.record_type == request.record_type,
        RepairApplication.record_number == request.record_number,
    )
    if session.scalar(select(pending)):
        raise refusals.RepairPending


def _repair_from(record: Adverse) -> date:
    """The first day of the least time; a type without a category waits as a serious one does."""
    severity = catalogue_in_force().record_types[record.record_type].severity
    return repair_from(severity or Severity.SERIOUS, record.event_on)


def _new(
    key: Key, application_id: UUID, request: Request, *, today: date
) -> RepairApplication:
    return RepairApplication(
        application_id=application_id,
        record_type=request.record_type,
        record_number=request.record_number,
        evidence_sealed=seal_text(key, request.evidence, "evidence_sealed", application_id),
        commitment_sealed=seal_text(
            key, request.commitment, "commitment_sealed", application_id
        ),
        state="open",
        filed_on=today,
    )


def _request_of(found: Repair) -> Request:
    line = found.line
    return Request(line.record_type, line.record_number, found.evidence, found.commitment)


def _locked(session: Session, application_id: UUID) -> RepairApplication:
    row = queries.find_by_id(session, application_id)
    if row is None:
        raise refusals.RepairUnknown
    return row


def _data_key(keys: KeyProvider, citizen_id: UUID) -> Key:
    found = find_data_key(keys=keys, citizen_id=citizen_id)
    if found is None:
        raise CitizenNotFound
    return found

"""A visit: the holder is there and lets an operator act for them, for twenty minutes.

It begins with the operator's own second factor and a reason, and is open when six digits from the
holder's phone are read out, or, without a phone, when the operator has looked at the identity card.
It belongs to that operator alone, and opens nothing that the holder could not do themselves.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.counter.cards import PaperCardUnknown
from app.counter.checks import (
    CHECK_LIFE,
    PIN_TRIES,
    CardPhoneMissing,
    PinSender,
    PinWrong,
    find_good_card,
)
from app.counter.models import CounterVisit
from app.counter.notices import VISIT_OPENED, tell
from app.counter.numbers import new_pin, pin_hashes
from app.counter.presence import Present, require_present
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, IdReused, NotFound, TooMany, refusal
from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.queries import is_active
from app.trail.operations import Actor, record_access, require_reason

VISIT_LIFE: Final = timedelta(minutes=20)
VISITS_PER_HOUR: Final = 10  # of one holder: nobody's phone is flooded
_HOUR_SECONDS: Final = 3_600
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('visits:' || :citizen, 0))")


class VisitUnknown(NotFound):
    """The operator has no such visit; that of another operator is none."""

    code: ClassVar[str] = "visit_unknown"
    title: ClassVar[str] = "There is no such visit of this operator"
    advice: ClassVar[str] = "没有找到该次窗口办理，请由受理的工作人员继续办理。"


class VisitOver(Conflict):
    """The visit was not opened, has ended, or took too long."""

    code: ClassVar[str] = "visit_over"
    title: ClassVar[str] = "The visit is not open"
    advice: ClassVar[str] = "本次窗口办理未核验、已结束或已超时，请重新核验本人身份。"


class TooManyVisits(TooMany):
    """Too many visits of one person within an hour."""

    code: ClassVar[str] = "too_many_visits"
    title: ClassVar[str] = "Too many visits of this person"
    advice: ClassVar[str] = "该市民窗口办理过于频繁，请稍后再试。"


@dataclass(frozen=True)
class Visit:
    """A visit as its operator sees it; `is_open` false: it waits for the PIN."""

    visit_id: UUID
    way: str
    is_open: bool
    expires_at: datetime


@dataclass(frozen=True)
class Carried:
    """Who comes with a paper card: scanned or typed, and the operator's own code."""

    card: str = field(repr=False)
    reason: str
    totp: str = field(repr=False)


@dataclass(frozen=True)
class OpenVisit:
    """Whose visit it is, with whom, and why."""

    citizen_id: UUID
    operator_id: UUID
    reason: str

    def record(self, *, action: str, fields: Sequence[str] = ()) -> None:
        """Write a line for the holder, in the open transaction."""
        record_access(
            citizen_id=self.citizen_id, actor=Actor("operator", self.operator_id), action=action,
            fields=fields, reason=self.reason, basis="request",
        )


def start_by_pin(
    *, keys: KeyProvider, operator_id: UUID, visit_id: UUID, holder: Carried, sender: PinSender
) -> Visit:
    """Begin a visit of the holder of a paper card; six digits go to the holder's phone.

    The same id again sends nothing more.  Refuses `reason_needed`, `second_factor_refused`,
    `paper_card_unknown`, `card_inactive`, `card_phone_missing`, `too_many_visits`, IdReused and
    what the sender refuses.
    """
    reason = require_reason(holder.reason)
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=holder.totp)
    pin, phone = new_pin(), None
    with transaction() as session:
        found = find_good_card(session, keys, holder.card)
        if found is None:
            raise PaperCardUnknown
        held = _find_own(session, found.citizen_id, visit_id, operator_id, "pin")
        if held is None:
            _require_rested(session, found.citizen_id)
            phone = _phone(keys, operator_id, found.citizen_id, reason)
            held = _write(session, CounterVisit(
                citizen_id=found.citizen_id, visit_id=visit_id, operator_id=operator_id,
                way="pin", reason=reason, tries_left=PIN_TRIES,
                pin_hash=pin_hashes(keys, check_id=visit_id, pin=pin)[0],
            ), CHECK_LIFE)
        visit = _visit(held)
    if phone is not None:  # after the commit: nothing waits for a network
        sender.send_pin(message_id=visit_id, phone=phone, pin=pin)
    return visit


def start_by_document(
    *, keys: KeyProvider, operator_id: UUID, visit_id: UUID, holder: Present
) -> Visit:
    """Open a visit of somebody whose identity card the operator has looked at.

    The same id again changes nothing.  Refuses what `require_present` refuses, `card_inactive`,
    `too_many_visits`, IdReused.
    """
    citizen_id, reason = require_present(keys=keys, operator_id=operator_id, person=holder)
    with transaction() as session:
        held = _find_own(session, citizen_id, visit_id, operator_id, "document")
        if held is None:
            _require_rested(session, citizen_id)
            held = _write(session, CounterVisit(
                citizen_id=citizen_id, visit_id=visit_id, operator_id=operator_id,
                way="document", reason=reason, tries_left=0,
            ), VISIT_LIFE)
            held.passed_at = held.started_at
            session.flush()
            OpenVisit(citizen_id, operator_id, reason).record(action="visit_opened_by_document")
            tell(citizen_id=citizen_id, what=VISIT_OPENED)
        return _visit(held)


def pass_visit(*, keys: KeyProvider, operator_id: UUID, visit_id: UUID, pin: str) -> Visit:
    """Open a visit with the digits that the holder reads out; five tries.

    Refuses `visit_unknown`, `visit_over`, `pin_wrong`.
    """
    with transaction() as session:
        held = _require_own(session, visit_id, operator_id)
        moment = _clock(session)
        if (
            held.passed_at is not None or held.ended_at is not None or held.tries_left == 0
            or held.expires_at <= moment or not is_active(citizen_id=held.citizen_id)
        ):
            raise VisitOver
        is_right = any(
            hmac.compare_digest(held.pin_hash or b"", one)
            for one in pin_hashes(keys, check_id=visit_id, pin=pin)
        )
        if is_right:
            held.passed_at, held.expires_at = moment, moment + VISIT_LIFE
            opened = OpenVisit(held.citizen_id, operator_id, held.reason)
            opened.record(action="visit_opened_by_pin")
        else:
            held.tries_left -= 1
        session.flush()
        visit, left = _visit(held), held.tries_left
    if not is_right:  # after the commit: the try is spent
        raise PinWrong(tries_left=left)
    return visit


def end_visit(*, operator_id: UUID, visit_id: UUID) -> None:
    """End a visit; again changes nothing.  VisitUnknown."""
    with transaction() as session:
        held = _require_own(session, visit_id, operator_id)
        held.ended_at = held.ended_at or _clock(session)


def require_visit(*, operator_id: UUID, visit_id: UUID) -> OpenVisit:
    """An open visit of this operator, locked until the end of the open transaction.

    Refuses `visit_unknown`, `visit_over`.
    """
    session = transaction_required()
    held = _require_own(session, visit_id, operator_id)
    if (
        held.passed_at is None or held.ended_at is not None or held.expires_at <= _clock(session)
        or not is_active(citizen_id=held.citizen_id)
    ):
        raise VisitOver
    return OpenVisit(held.citizen_id, held.operator_id, held.reason)


def _find_own(
    session: Session, citizen_id: UUID, visit_id: UUID, operator_id: UUID, way: str
) -> CounterVisit | None:
    """The visit of this id; nothing about the person goes on beside it."""
    session.execute(_LOCK, {"citizen": str(citizen_id)})
    if not is_active(citizen_id=citizen_id):
        raise refusal("card_inactive")
    held = session.get(CounterVisit, (citizen_id, visit_id), populate_existing=True)
    if held is not None and (held.operator_id, held.way) != (operator_id, way):
        raise IdReused
    return held


def _require_rested(session: Session, citizen_id: UUID) -> None:
    count = session.scalar(
        select(func.count()).select_from(CounterVisit).where(
            CounterVisit.citizen_id == citizen_id,
            CounterVisit.started_at > func.clock_timestamp() - timedelta(hours=1),
        )
    )
    if (count or 0) >= VISITS_PER_HOUR:
        raise TooManyVisits(retry_after_seconds=_HOUR_SECONDS)


def _require_own(session: Session, visit_id: UUID, operator_id: UUID) -> CounterVisit:
    query = (
        select(CounterVisit)
        .where(CounterVisit.visit_id == visit_id, CounterVisit.operator_id == operator_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    held = session.scalars(query).first()
    if held is None:
        raise VisitUnknown
    return held


def _phone(keys: KeyProvider, operator_id: UUID, citizen_id: UUID, reason: str) -> str:
    opened = members.open_profile(
        keys=keys, citizen_id=citizen_id, actor=Actor("operator", operator_id), fields=["phone"],
        reason=reason, basis="request", action="visit_pin_sent",
    )
    phone = opened["phone"]
    if phone is None:
        raise CardPhoneMissing
    return phone


def _write(session: Session, visit: CounterVisit, life: timedelta) -> CounterVisit:
    visit.started_at = _clock(session)
    visit.expires_at = visit.started_at + life
    session.add(visit)
    session.flush()
    return visit


def _visit(held: CounterVisit) -> Visit:
    return Visit(
        held.visit_id, held.way,
        is_open=held.passed_at is not None and held.ended_at is None,
        expires_at=held.expires_at,
    )


def _clock(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment

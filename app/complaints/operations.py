"""A citizen complains about a redemption; the merchant answers in time, else an operator decides.

The merchant learns the redemption, the category and, with the citizen's agreement, the words; never
who complains.  All words are sealed under the citizen's key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.complaints import refusals
from app.complaints.models import Answer, Complaint, Decision
from app.complaints.queries import (
    ESCALATED,
    OPEN,
    KeptComplaint,
    find_complaint,
    list_of_citizen,
    list_of_merchant,
)
from app.kernel.clock import city_date
from app.kernel.crypto import field_context, seal, unseal_with
from app.kernel.database import reading, transaction, transaction_required
from app.kernel.errors import IdReused
from app.kernel.keys import KeyProvider
from app.kernel.working_days import add_working_days
from app.members.queries import find_data_key
from app.merchants.devices import merchant_of_owner
from app.redemptions.queries import find_redemption
from app.redemptions.refusals import RedemptionUnknown
from app.trail.operations import Actor, record_access, require_reason

ANSWER_WITHIN: Final = 5  # working days
DECIDE_WITHIN: Final = 5  # more of them
COMPLAIN_WITHIN: Final = timedelta(days=90)
BASIS: Final = "membership"


@dataclass(frozen=True)
class NewComplaint:
    """What a citizen sends; `text_shared` lets the merchant read the words."""

    complaint_id: UUID
    voucher_id: UUID
    category: str
    text: str | None
    text_shared: bool


@dataclass(frozen=True)
class OpenedComplaint:
    """A complaint with its words in plain, for the citizen."""

    complaint: KeptComplaint
    text: str | None
    answer: str | None
    decision_reason: str | None


def complain(
    *, keys: KeyProvider, citizen_id: UUID, new: NewComplaint,
    beside: Callable[[], None] | None = None,
) -> OpenedComplaint:
    """Take a complaint about an own redemption; the same again changes nothing.

    What was used off line goes to an operator at once: it has no redemption on line.
    `beside` stands in the transaction, for who complains in somebody's name.

    Refuses `redemption_unknown`, `complaint_too_late`, `complaint_exists`, `id_reused`.
    """
    with transaction() as session:
        if beside is not None:
            beside()
        if session.get(Complaint, (citizen_id, new.complaint_id)) is None:
            _add(session, keys, citizen_id, new)
        found = _open_own(keys, _require(new.complaint_id, citizen_id=citizen_id))
        held = found.complaint
        if (held.voucher_id, held.category, held.text_shared, found.text) != (
            new.voucher_id, new.category, new.text_shared, new.text,
        ):  # fmt: skip
            raise IdReused
        return found


def list_own(
    *, keys: KeyProvider, citizen_id: UUID, limit: int, before: UUID | None
) -> list[OpenedComplaint]:
    """A citizen's complaints with all their words, the latest first."""
    with reading():
        found = list_of_citizen(citizen_id=citizen_id, limit=limit, before=before)
        return [_open_own(keys, one) for one in found]


def list_about(*, owner_id: UUID, limit: int, before: UUID | None) -> list[KeptComplaint]:
    """The complaints about the owner's merchant.  Refuses `not_merchant_staff`."""
    with reading() as session:
        merchant_id = merchant_of_owner(session, owner_id)
        return list_of_merchant(merchant_id=merchant_id, limit=limit, before=before)


def read_shared_text(*, keys: KeyProvider, owner_id: UUID, complaint_id: UUID) -> str:
    """The words that the citizen lets the merchant read; the citizen sees that they were read.

    Refuses `not_merchant_staff`, `complaint_unknown`, `complaint_text_missing`.
    """
    with transaction() as session:
        held = _require(complaint_id, merchant_id=merchant_of_owner(session, owner_id))
        if not held.text_shared:
            raise refusals.ComplaintTextMissing
        return _read(keys, held, Actor("merchant_owner", owner_id), "")


def read_text(*, keys: KeyProvider, operator_id: UUID, complaint_id: UUID, reason: str) -> str:
    """The words of a complaint that waits for an operator.

    Refuses `complaint_unknown`, `complaint_not_escalated`, `complaint_text_missing`,
    `reason_needed`.
    """
    given = require_reason(reason)
    with transaction():
        held = _require(complaint_id)
        if held.state != ESCALATED:
            raise refusals.ComplaintNotEscalated
        return _read(keys, held, Actor("operator", operator_id), given)


def answer(*, keys: KeyProvider, owner_id: UUID, complaint_id: UUID, text: str) -> KeptComplaint:
    """The merchant's answer, once, until the end of the day it is due.

    Refuses `not_merchant_staff`, `complaint_unknown`, `complaint_closed`, `complaint_escalated`.
    """
    with transaction() as session:
        held = _require(complaint_id, merchant_id=merchant_of_owner(session, owner_id))
        if held.state == ESCALATED:
            raise refusals.ComplaintEscalated
        sealed = _seal(keys, held, "complaint_answers.answer_sealed", text)
        added = session.scalar(
            insert(Answer)
            .values(
                citizen_id=held.citizen_id, complaint_id=complaint_id,
                merchant_id=held.merchant_id, answer_sealed=sealed, answered_by=owner_id,
            )
            .on_conflict_do_nothing()
            .returning(Answer.complaint_id)
        )
        if held.state != OPEN or added is None:
            raise refusals.ComplaintClosed
        _trail(held, Actor("merchant_owner", owner_id), "complaint_answered", "")
        return _require(complaint_id)


def decide(
    *, keys: KeyProvider, operator_id: UUID, complaint_id: UUID, outcome: str, reason: str
) -> KeptComplaint:
    """An operator's decision on what the merchant left unanswered; the citizen reads the reason.

    Refuses `complaint_unknown`, `complaint_not_escalated`, `complaint_closed`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = _require(complaint_id)
        if held.state == OPEN:
            raise refusals.ComplaintNotEscalated
        sealed = _seal(keys, held, "complaint_decisions.reason_sealed", given)
        added = session.scalar(
            insert(Decision)
            .values(
                citizen_id=held.citizen_id, complaint_id=complaint_id,
                merchant_id=held.merchant_id, outcome=outcome, reason_sealed=sealed,
                decided_by=operator_id,
            )
            .on_conflict_do_nothing()
            .returning(Decision.complaint_id)
        )
        if held.state != ESCALATED or added is None:
            raise refusals.ComplaintClosed
        _trail(held, Actor("operator", operator_id), "complaint_decided", given)
        return _require(complaint_id)


def _add(session: Session, keys: KeyProvider, citizen_id: UUID, new: NewComplaint) -> None:
    redemption = find_redemption(citizen_id=citizen_id, voucher_id=new.voucher_id)
    if redemption is None:
        raise RedemptionUnknown
    moment: datetime = session.execute(select(func.now())).scalar_one()
    if moment > redemption.redeemed_at + COMPLAIN_WITHIN:
        raise refusals.ComplaintTooLate
    asked_on = city_date(moment)
    due_on = None
    if redemption.redemption_id is not None:
        due_on = add_working_days(asked_on, ANSWER_WITHIN)
    sealed = None
    if new.text is not None:
        sealed = _seal_for(keys, citizen_id, new.complaint_id, "complaints.text_sealed", new.text)
    added = session.scalar(
        insert(Complaint)
        .values(
            citizen_id=citizen_id, complaint_id=new.complaint_id, voucher_id=new.voucher_id,
            redemption_id=redemption.redemption_id, merchant_id=redemption.merchant_id,
            shop_id=redemption.shop_id, category=new.category, text_sealed=sealed,
            text_shared=new.text_shared and sealed is not None,
            due_on=due_on, decide_due_on=add_working_days(due_on or asked_on, DECIDE_WITHIN),
        )
        .on_conflict_do_nothing()
        .returning(Complaint.complaint_id)
    )
    if added is None:
        raise refusals.ComplaintExists


def _require(
    complaint_id: UUID, *, merchant_id: UUID | None = None, citizen_id: UUID | None = None
) -> KeptComplaint:
    found = find_complaint(
        complaint_id=complaint_id, merchant_id=merchant_id, citizen_id=citizen_id
    )
    if found is None:
        raise refusals.ComplaintUnknown
    return found


def _read(keys: KeyProvider, held: KeptComplaint, actor: Actor, reason: str) -> str:
    text = _unseal(keys, held, "complaints.text_sealed", held.text_sealed)
    if text is None:
        raise refusals.ComplaintTextMissing
    _trail(held, actor, "complaint_read", reason)
    return text


def _open_own(keys: KeyProvider, held: KeptComplaint) -> OpenedComplaint:
    return OpenedComplaint(
        held,
        _unseal(keys, held, "complaints.text_sealed", held.text_sealed),
        _unseal(keys, held, "complaint_answers.answer_sealed", held.answer_sealed),
        _unseal(keys, held, "complaint_decisions.reason_sealed", held.reason_sealed),
    )


def _trail(held: KeptComplaint, actor: Actor, action: str, reason: str) -> None:
    transaction_required()
    record_access(
        citizen_id=held.citizen_id, actor=actor, action=action, fields=["complaint"],
        reason=reason, basis=BASIS,
    )


def _seal(keys: KeyProvider, held: KeptComplaint, place: str, text: str) -> bytes:
    return _seal_for(keys, held.citizen_id, held.complaint_id, place, text)


def _seal_for(
    keys: KeyProvider, citizen_id: UUID, complaint_id: UUID, place: str, text: str
) -> bytes:
    key = find_data_key(keys=keys, citizen_id=citizen_id)
    if key is None:  # the person has left and was erased
        raise refusals.ComplaintUnknown
    return seal(key, text.encode(), context=_context(place, complaint_id))


def _unseal(
    keys: KeyProvider, held: KeptComplaint, place: str, sealed: bytes | None
) -> str | None:
    """The words; None where there are none, or the person was erased."""
    key = None if sealed is None else find_data_key(keys=keys, citizen_id=held.citizen_id)
    if sealed is None or key is None:
        return None
    return unseal_with(key, sealed, context=_context(place, held.complaint_id)).decode()


def _context(place: str, complaint_id: UUID) -> bytes:
    table, _, column = place.partition(".")
    return field_context(table=table, column=column, row_id=complaint_id)

"""An operator decides; a record is voided by two; a second look is had by others (R12, R15)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.disputes import operations as disputes
from app.disputes.queries import REPAIR
from app.kernel.clock import city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.objections import refusals
from app.objections.clocks import Clocks
from app.objections.items import (
    ABOUT_RECORDS,
    OTHER,
    REJECTED,
    SOURCE_CORRECTED,
    UPHELD,
    VOIDED,
)
from app.objections.models import Objection, ObjectionDecision
from app.objections.queries import (
    DECIDED,
    ObjectionLine,
    WholeObjection,
    find_by_id,
    line_of,
    persons_of,
    read_whole,
)
from app.objections.sealing import data_key, open_text, seal_text
from app.records.origins import find_latest_version
from app.repairs.queries import find_rejected
from app.scoring.voiding import void_record
from app.trail.operations import Actor, SecondPersonNeeded, record_access, require_reason

OPERATOR: Final = "operator"


def open_objection(
    *, keys: KeyProvider, operator_id: UUID, objection_id: UUID, reason: str
) -> WholeObjection:
    """All of an objection, for a reason that the citizen will read; the trail comes first.

    Refuses `objection_unknown`, `objection_not_yours`.
    """
    reason = require_reason(reason)
    with transaction() as session:
        row = require_deciding(session, objection_id=objection_id, operator_id=operator_id)
        record_access(
            citizen_id=row.citizen_id, actor=Actor(OPERATOR, operator_id),
            action="objection_read", fields=["words"], reason=reason, basis="objection",
        )
        return read_whole(session, data_key(keys, row.citizen_id), row)


def decide(
    *, keys: KeyProvider, clocks: Clocks, operator_id: UUID, objection_id: UUID,
    outcome: str, reasons: str, remedy: str | None = None,
) -> ObjectionLine:
    """Decide, or with the remedy `voided` propose it to a second operator.

    Refuses `objection_unknown`, `objection_decided`, `other_person_needed`,
    `objection_remedy_unfit`, `objection_correction_missing`, `objection_source_asked`.
    """
    with transaction() as session:
        row = _undecided(session, objection_id, operator_id)
        if row.state != "open":
            raise refusals.ObjectionDecided
        _require_fit(row, outcome, remedy)
        if outcome == REJECTED and _source_may_answer(session, row):
            raise refusals.SourceStillAsked(source_due_on=str(row.source_due_on))
        if remedy == VOIDED:
            key = data_key(keys, row.citizen_id)
            row.state, row.proposed_by = "proposed", operator_id
            row.proposal_sealed = seal_text(
                key, reasons, column="proposal", objection_id=objection_id
            )
            session.flush()
        else:
            _end(
                keys, clocks, row, outcome=outcome, remedy=remedy, reasons=reasons,
                decided_by=operator_id,
            )
        return line_of(row)


def confirm_voiding(
    *, keys: KeyProvider, clocks: Clocks, operator_id: UUID, objection_id: UUID,
    is_confirmed: bool,
) -> ObjectionLine:
    """The second operator's word on a proposed voiding; without it the objection is open again.

    The record gets a void version, what it granted is reversed by new entries, nothing is edited.
    Refuses `objection_not_proposed`, `second_person_needed`, `other_person_needed`.
    """
    with transaction() as session:
        row = _undecided(session, objection_id, operator_id)
        if row.proposed_by is None or row.proposal_sealed is None:
            raise refusals.NothingProposed
        if row.proposed_by == operator_id:
            raise SecondPersonNeeded
        proposed_by, sealed = row.proposed_by, row.proposal_sealed
        row.state, row.proposed_by, row.proposal_sealed = "open", None, None
        session.flush()
        if is_confirmed:
            key = data_key(keys, row.citizen_id)
            version = void_record(
                keys=keys, citizen_id=row.citizen_id, record_type=str(row.record_type),
                record_number=str(row.record_number), act_id=new_id(),
            )
            _end(
                keys, clocks, row, outcome=UPHELD, remedy=VOIDED,
                reasons=open_text(key, sealed, column="proposal", objection_id=objection_id),
                decided_by=proposed_by, confirmed_by=operator_id, void_version=version,
            )
        return line_of(row)


def _rejected_by(row: Objection) -> UUID | None:
    """Who rejected the repair that the objection is about: somebody else looks at it."""
    if row.kind != REPAIR or row.item_id is None:
        return None
    rejected = find_rejected(citizen_id=row.citizen_id, application_id=row.item_id)
    return None if rejected is None else rejected.decided_by


def require_deciding(session: Session, *, objection_id: UUID, operator_id: UUID) -> Objection:
    """An objection that an operator may open: an undecided one, or one that they decided."""
    row = find_by_id(session, objection_id)
    if row is None:
        raise refusals.ObjectionUnknown
    if row.state == DECIDED and operator_id not in persons_of(session, row):
        raise refusals.DecisionOver
    return row


def _undecided(session: Session, objection_id: UUID, operator_id: UUID) -> Objection:
    row = find_by_id(session, objection_id)
    if row is None:
        raise refusals.ObjectionUnknown
    if row.state == DECIDED:
        raise refusals.ObjectionDecided
    if operator_id in persons_of(session, row) or operator_id == _rejected_by(row):
        raise refusals.OtherPersonNeeded
    return row


def _require_fit(row: Objection, outcome: str, remedy: str | None) -> None:
    if (outcome == UPHELD) != (remedy is not None):
        raise refusals.RemedyUnfit
    if remedy in {SOURCE_CORRECTED, VOIDED} and row.kind not in ABOUT_RECORDS:
        raise refusals.RemedyUnfit
    if remedy == OTHER and row.kind == "record":
        raise refusals.RemedyUnfit
    if remedy == SOURCE_CORRECTED:
        latest = find_latest_version(
            citizen_id=row.citizen_id, record_type=str(row.record_type),
            record_number=str(row.record_number),
        )
        assert row.record_version is not None
        if latest is None or latest.kept.version <= row.record_version:
            raise refusals.CorrectionMissing


def _source_may_answer(session: Session, row: Objection) -> bool:
    """Whether its answer is waited for: with all its days it has as many as the decision.

    So the last day of the decision is free; a decision in time goes before an answer in time.
    """
    today = city_today(session)
    return (
        row.source_due_on is not None
        and row.answer is None
        and today <= row.source_due_on
        and today < row.decide_due_on
    )


def _end(
    keys: KeyProvider, clocks: Clocks, row: Objection, *, outcome: str, remedy: str | None,
    reasons: str, decided_by: UUID, confirmed_by: UUID | None = None,
    void_version: int | None = None,
) -> None:
    """The round is over: the decision stands, the mark is lifted, the trail tells it."""
    session = transaction_required()
    sealed = seal_text(
        data_key(keys, row.citizen_id), reasons, column=f"reasons:{row.round}",
        objection_id=row.objection_id,
    )
    session.add(ObjectionDecision(
        citizen_id=row.citizen_id, objection_id=row.objection_id, round=row.round,
        outcome=outcome, remedy=remedy, reasons_sealed=sealed, decided_by=decided_by,
        confirmed_by=confirmed_by, void_version=void_version,
    ))
    row.state = DECIDED
    if outcome == REJECTED and row.round == 1:
        row.second_look_until = clocks.second_look_until(city_today(session))
    session.flush()
    disputes.lift(citizen_id=row.citizen_id, objection_id=row.objection_id)
    record_access(
        citizen_id=row.citizen_id, actor=Actor(OPERATOR, confirmed_by or decided_by),
        action="objection_decided", fields=[outcome], basis="objection",
    )

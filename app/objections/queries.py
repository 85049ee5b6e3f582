"""Reading objections: a citizen's own, a source's open ones, those that operators must decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_TODAY, city_today
from app.kernel.database import reading
from app.kernel.keys import Key
from app.kernel.working_days import add_working_days
from app.members.queries import names_of_actors
from app.objections.models import Objection, ObjectionAttachment, ObjectionDecision
from app.objections.sealing import open_text

DECIDED: Final = "decided"
AT_RISK_DAYS: Final = 1  # working days before the last one


@dataclass(frozen=True)
class ObjectionLine:
    """An objection in a list: nothing of what was written."""

    objection_id: UUID
    kind: str
    record_type: str | None
    record_number: str | None
    record_version: int | None
    indicator: str | None
    item_id: UUID | None
    reason: str
    state: str
    round: int
    filed_on: date
    source_due_on: date | None
    source_is_extended: bool
    answer: str | None
    answered_at: datetime | None
    decide_due_on: date
    second_look_until: date | None


@dataclass(frozen=True)
class Attachment:
    """A file beside an objection."""

    attachment_id: UUID
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class Decision:
    """How a round ended, and who decided it by work name."""

    round: int
    outcome: str
    remedy: str | None
    reasons: str
    decided_by: str
    confirmed_by: str | None
    void_version: int | None
    decided_at: datetime


@dataclass(frozen=True)
class WholeObjection:
    """An objection with what was written, for its citizen and for who decides.

    `machine_result` is what the machine had computed or refused when the objection was filed.
    """

    line: ObjectionLine
    words: str
    machine_result: Mapping[str, Any]
    source_unit: str | None
    answer_reason: str | None
    proposal: str | None
    proposed_by: str | None
    attachments: tuple[Attachment, ...]
    decisions: tuple[Decision, ...]


def find_by_id(session: Session, objection_id: UUID) -> Objection | None:
    """An objection by its id alone, locked until the end of the transaction."""
    query = select(Objection).where(Objection.objection_id == objection_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).first()


def list_own(*, citizen_id: UUID, limit: int, before: UUID | None = None) -> list[ObjectionLine]:
    """A citizen's objections, the latest first."""
    query = select(Objection).where(Objection.citizen_id == citizen_id)
    if before is not None:
        query = query.where(Objection.objection_id < before)
    return _lines(query.order_by(Objection.objection_id.desc()).limit(limit))


def list_of_source(
    *, source_id: UUID, limit: int, after: UUID | None = None
) -> list[ObjectionLine]:
    """The open objections about records that a source delivered."""
    query = select(Objection).where(
        Objection.source_id == source_id, Objection.state != DECIDED
    )
    if after is not None:
        query = query.where(Objection.objection_id > after)
    return _lines(query.order_by(Objection.objection_id).limit(limit))


def list_undecided(*, is_at_risk: bool, limit: int) -> list[ObjectionLine]:
    """What is to be decided, the most urgent first; at risk: due by the next working day."""
    query = select(Objection).where(Objection.state != DECIDED)
    if is_at_risk:
        query = query.where(Objection.decide_due_on <= _risky_until())
    return _lines(
        query.order_by(Objection.decide_due_on, Objection.objection_id).limit(limit)
    )


def objection_state() -> dict[str, float]:
    """Gauges: objections due by the next working day, those past their day, late answers."""
    late = func.count().filter(Objection.decide_due_on < CITY_TODAY)
    unanswered = func.count().filter(
        Objection.answer.is_(None), Objection.source_due_on < CITY_TODAY
    )
    at_risk = func.count().filter(Objection.decide_due_on <= _risky_until())
    with reading() as session:
        row = session.execute(
            select(at_risk, late, unanswered).where(Objection.state != DECIDED)
        ).one()
    names = ("objections_at_risk", "objections_late", "objection_answers_late")
    return {name: float(count) for name, count in zip(names, row, strict=True)}


def read_whole(session: Session, key: Key, row: Objection) -> WholeObjection:
    """An objection with everything that belongs to it, opened with its citizen's key."""
    decisions = session.scalars(
        select(ObjectionDecision)
        .where(
            ObjectionDecision.citizen_id == row.citizen_id,
            ObjectionDecision.objection_id == row.objection_id,
        )
        .order_by(ObjectionDecision.round)
    ).all()
    names = names_of_actors(actor_ids=_actors(row, decisions))
    opened = {
        column: None if sealed is None else open_text(
            key, sealed, column=column, objection_id=row.objection_id
        )
        for column, sealed in (
            ("words", row.words_sealed), ("frozen", row.frozen_sealed),
            ("answer", row.answer_sealed), ("proposal", row.proposal_sealed),
        )
    }  # fmt: skip
    assert opened["words"] is not None
    assert opened["frozen"] is not None
    return WholeObjection(
        line=line_of(row),
        words=opened["words"],
        machine_result=orjson.loads(opened["frozen"]),
        source_unit=None if row.source_id is None else names.get(row.source_id),
        answer_reason=opened["answer"],
        proposal=opened["proposal"],
        proposed_by=None if row.proposed_by is None else names.get(row.proposed_by),
        attachments=tuple(list_attachments(session, row)),
        decisions=tuple(_decision(key, one, names) for one in decisions),
    )


def list_attachments(session: Session, row: Objection) -> list[Attachment]:
    """The files beside an objection, in the order in which they came."""
    query = (
        select(ObjectionAttachment)
        .where(
            ObjectionAttachment.citizen_id == row.citizen_id,
            ObjectionAttachment.objection_id == row.objection_id,
        )
        .order_by(ObjectionAttachment.attachment_id)
    )
    return [
        Attachment(one.attachment_id, one.media_type, one.size_bytes)
        for one in session.scalars(query)
    ]


def persons_of(session: Session, row: Objection) -> set[UUID]:
    """Who has decided about an objection so far."""
    query = select(ObjectionDecision.decided_by, ObjectionDecision.confirmed_by).where(
        ObjectionDecision.citizen_id == row.citizen_id,
        ObjectionDecision.objection_id == row.objection_id,
    )
    return {one for pair in session.execute(query) for one in pair if one is not None}


def line_of(row: Objection) -> ObjectionLine:
    """An objection without what was written."""
    return ObjectionLine(
        objection_id=row.objection_id, kind=row.kind, record_type=row.record_type,
        record_number=row.record_number, record_version=row.record_version,
        indicator=row.indicator, item_id=row.item_id, reason=row.reason, state=row.state,
        round=row.round, filed_on=row.filed_on, source_due_on=row.source_due_on,
        source_is_extended=row.source_is_extended, answer=row.answer,
        answered_at=row.answered_at, decide_due_on=row.decide_due_on,
        second_look_until=row.second_look_until,
    )


def _risky_until() -> date:
    with reading() as session:
        return add_working_days(city_today(session), AT_RISK_DAYS)


def _lines(query: Select[Objection]) -> list[ObjectionLine]:
    with reading() as session:
        return [line_of(row) for row in session.scalars(query)]


def _actors(row: Objection, decisions: Sequence[ObjectionDecision]) -> set[UUID]:
    found = {row.source_id, row.proposed_by}
    for one in decisions:
        found |= {one.decided_by, one.confirmed_by}
    return {one for one in found if one is not None}


def _decision(key: Key, row: ObjectionDecision, names: Mapping[UUID, str]) -> Decision:
    reasons = open_text(
        key, row.reasons_sealed, column=f"reasons:{row.round}", objection_id=row.objection_id
    )
    return Decision(
        round=row.round, outcome=row.outcome, remedy=row.remedy, reasons=reasons,
        decided_by=names.get(row.decided_by, ""),
        confirmed_by=None if row.confirmed_by is None else names.get(row.confirmed_by),
        void_version=row.void_version, decided_at=row.decided_at,
    )

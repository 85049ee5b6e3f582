"""The register of impact assessments: what must be there before data are scored or shared.

An entry is added once, confirmed by a second person, and never changed.  It is good until its day;
then what it allowed goes on, and nothing new begins on its ground.  An act upon scores names the
assessment; what a text, a catalogue or a line begins is found by what the assessment covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func

from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.errors import Conflict, IdReused, Invalid, NotFound
from app.trail.models import ImpactAssessment
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason
from app.trail.queries import (
    IN_FORCE_DAYS_MAX,
    Assessment,
    find_assessment,
    list_confirmed_assessments,
)

IN_FORCE_MAX = timedelta(days=IN_FORCE_DAYS_MAX)
KEPT_DAYS = 3 * 366  # three years at least


class AssessmentNotConcluded(Invalid):
    """An assessment is registered when it is concluded, not before."""

    code: ClassVar[str] = "assessment_not_concluded"
    title: ClassVar[str] = "The assessment is not concluded yet"
    advice: ClassVar[str] = "评估尚未完成，请在完成之日起登记。"


class AssessmentTermUnfit(Invalid):
    """An assessment is good from the day of its conclusion, for two years at most."""

    code: ClassVar[str] = "assessment_term_unfit"
    title: ClassVar[str] = "The assessment ends before it begins, or after more than two years"
    advice: ClassVar[str] = "评估有效期应自完成之日起，最长两年，请修改后重新登记。"


class AssessmentUnknown(NotFound):
    """The register has no such assessment."""

    code: ClassVar[str] = "assessment_unknown"
    title: ClassVar[str] = "There is no such impact assessment"
    advice: ClassVar[str] = "没有找到该影响评估，请核对编号。"


class AssessmentMissing(Conflict):
    """What is to be done needs an impact assessment of this kind, confirmed and in force."""

    code: ClassVar[str] = "assessment_missing"
    title: ClassVar[str] = "There is no such impact assessment that is confirmed and in force"
    advice: ClassVar[str] = "缺少有效的影响评估（须两人确认且在有效期内），请先办理评估。"


@dataclass(frozen=True)
class NewAssessment:
    """An assessment to be registered; `document_hash` is the SHA-256 of its document.

    `summary` is what everybody reads of it; without `in_force_until_on` it is good for two years.
    """

    assessment_id: UUID
    kind: str
    title: str
    concluded_on: date
    document_hash: bytes
    summary: str
    covers: tuple[str, ...] = ()
    in_force_until_on: date | None = None


def register_assessment(
    *, assessment: NewAssessment, operator_id: UUID, reason: str
) -> Assessment:
    """Add an assessment to the register; the same again changes nothing.

    AssessmentNotConcluded for a day to come, AssessmentTermUnfit, IdReused when the id has other
    contents.  It is good for nothing until somebody else confirms it.
    """
    reason = require_reason(reason)
    until_on = assessment.in_force_until_on or assessment.concluded_on + IN_FORCE_MAX
    if not assessment.concluded_on <= until_on <= assessment.concluded_on + IN_FORCE_MAX:
        raise AssessmentTermUnfit
    given = vars(assessment) | {"covers": [*assessment.covers], "in_force_until_on": until_on}
    with transaction() as session:
        known = session.get(ImpactAssessment, assessment.assessment_id)
        if known is not None and any(
            getattr(known, name) != value for name, value in given.items()
        ):
            raise IdReused
        if assessment.concluded_on > city_today(session):
            raise AssessmentNotConcluded
        if known is None:
            kept_until_on = assessment.concluded_on + timedelta(days=KEPT_DAYS)
            session.add(ImpactAssessment(
                **given, kept_until_on=kept_until_on, registered_by=operator_id
            ))
            session.flush()
            record_act(
                actor=Actor("operator", operator_id), action="assessment_registered",
                subject=str(assessment.assessment_id), reason=reason,
            )
    return _found(assessment.assessment_id)


def confirm_assessment(*, assessment_id: UUID, operator_id: UUID, reason: str) -> Assessment:
    """Another operator stands for an assessment too; again changes nothing.

    AssessmentUnknown, SecondPersonNeeded.
    """
    reason = require_reason(reason)
    with transaction() as session:
        held = session.get(ImpactAssessment, assessment_id, with_for_update=True)
        if held is None:
            raise AssessmentUnknown
        if held.registered_by == operator_id:
            raise SecondPersonNeeded
        if held.confirmed_at is None:
            held.confirmed_by, held.confirmed_at = operator_id, func.clock_timestamp()
            session.flush()
            session.refresh(held)
            record_act(
                actor=Actor("operator", operator_id), action="assessment_confirmed",
                subject=str(assessment_id), reason=reason,
            )
    return _found(assessment_id)


def require_assessment(*, assessment_id: UUID, kind: str) -> Assessment:
    """The assessment of this kind, confirmed and in force; AssessmentMissing otherwise."""
    found = find_assessment(assessment_id=assessment_id)
    with reading() as session:
        today = city_today(session)
    if found is None or found.kind != kind or not found.is_in_force(on=today):
        raise AssessmentMissing
    return found


def require_covered(*, kind: str, what: str) -> Assessment:
    """The newest assessment of this kind in force that covers it; AssessmentMissing otherwise."""
    with reading() as session:
        today = city_today(session)
    for one in list_confirmed_assessments():
        if one.kind == kind and what in one.covers and one.is_in_force(on=today):
            return one
    raise AssessmentMissing(kind=kind, what=what)


def _found(assessment_id: UUID) -> Assessment:
    found = find_assessment(assessment_id=assessment_id)
    assert found is not None, "it was just read"
    return found

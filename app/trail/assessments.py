"""The register of impact assessments: what must be there before data are scored, shared or opened.

This holds only what such a gate asks for: an entry is added once and never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar
from uuid import UUID

from app.kernel.clock import city_today
from app.kernel.database import transaction
from app.kernel.errors import Conflict, IdReused, Invalid
from app.trail.models import ImpactAssessment
from app.trail.operations import Actor, record_act, require_reason
from app.trail.queries import Assessment, find_assessment

KEPT_DAYS = 3 * 366  # three years at least


class AssessmentNotConcluded(Invalid):
    """An assessment is registered when it is concluded, not before."""

    code: ClassVar[str] = "assessment_not_concluded"
    title: ClassVar[str] = "The assessment is not concluded yet"
    advice: ClassVar[str] = "评估尚未完成，请在完成之日起登记。"


class AssessmentMissing(Conflict):
    """What is to be done needs a registered impact assessment of this kind that is still kept."""

    code: ClassVar[str] = "assessment_missing"
    title: ClassVar[str] = "There is no such impact assessment of this kind"
    advice: ClassVar[str] = "缺少有效的个人信息保护影响评估，请先登记后再办理。"


@dataclass(frozen=True)
class NewAssessment:
    """An assessment to be registered; `document_hash` is the SHA-256 of its document."""

    assessment_id: UUID
    kind: str
    title: str
    concluded_on: date
    document_hash: bytes


def register_assessment(
    *, assessment: NewAssessment, operator_id: UUID, reason: str
) -> Assessment:
    """Add an assessment to the register; the same again changes nothing.

    AssessmentNotConcluded for a day to come, IdReused when the id has other contents.
    """
    reason = require_reason(reason)
    with transaction() as session:
        known = session.get(ImpactAssessment, assessment.assessment_id)
        if known is not None and any(
            getattr(known, name) != value for name, value in vars(assessment).items()
        ):
            raise IdReused
        if assessment.concluded_on > city_today(session):
            raise AssessmentNotConcluded
        if known is None:
            kept_until_on = assessment.concluded_on + timedelta(days=KEPT_DAYS)
            session.add(ImpactAssessment(
                **vars(assessment), kept_until_on=kept_until_on, registered_by=operator_id
            ))
            session.flush()
            record_act(
                actor=Actor("operator", operator_id), action="assessment_registered",
                subject=str(assessment.assessment_id), reason=reason,
            )
    return require_assessment(assessment_id=assessment.assessment_id, kind=assessment.kind)


def require_assessment(*, assessment_id: UUID, kind: str) -> Assessment:
    """The registered assessment of this kind; AssessmentMissing otherwise."""
    found = find_assessment(assessment_id=assessment_id)
    if found is None or found.kind != kind:
        raise AssessmentMissing
    return found

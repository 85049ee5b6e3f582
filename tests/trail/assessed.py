"""Impact assessments that two people stand for."""

from __future__ import annotations

from uuid import UUID

from app.kernel.ids import new_id
from app.members.consents import kind_of_sharing
from app.records.queries import current_day
from app.trail.assessments import NewAssessment, confirm_assessment, register_assessment

REASON = "评估报告已通过评审"


def new_assessment(**changes: object) -> NewAssessment:
    """One that is concluded today."""
    fields: dict[str, object] = {
        "assessment_id": new_id(), "kind": "scoring", "title": "评分规则影响评估",
        "concluded_on": current_day(), "document_hash": b"h" * 32,
        "summary": "仅使用目录内信息，影响可控。", **changes,
    }
    return NewAssessment(**fields)  # type: ignore[arg-type]  # made-up changes


def assessed(kind: str, *covers: str) -> UUID:
    """Register one and confirm it; its id."""
    made = register_assessment(
        assessment=new_assessment(kind=kind, covers=covers), operator_id=new_id(), reason=REASON
    )
    confirm_assessment(assessment_id=made.assessment_id, operator_id=new_id(), reason=REASON)
    return made.assessment_id


def assess_sharing(purpose: str) -> None:
    """What a benefit needs that tells its receiver what this consent allows."""
    assessed(kind_of_sharing(purpose), purpose)

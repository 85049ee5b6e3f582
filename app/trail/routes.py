"""The routes of the register of impact assessments and of alarms about bulk viewing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.trail import assessments, schemas, viewing
from app.trail.queries import Alarm, Assessment, list_alarms, list_assessments
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("trail", __name__, url_prefix=API_PREFIX)


@blueprint.route("/impact-assessments", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.NewAssessment)
@blueprint.response(201, schemas.Assessment)
def register_assessment(body: dict[str, Any]) -> dict[str, Any]:
    """Register a concluded impact assessment; the same again changes nothing."""
    reason = body.pop("reason")
    body["document_hash"] = bytes.fromhex(body["document_hash"])
    found = assessments.register_assessment(
        assessment=assessments.NewAssessment(**body), operator_id=caller().subject_id,
        reason=reason,
    )
    return _entry(found)


@blueprint.route("/impact-assessments", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Assessments)
def show_assessments() -> dict[str, Any]:
    """The register of impact assessments."""
    return {"assessments": [_entry(found) for found in list_assessments()]}


@blueprint.route("/bulk-viewing-alarms", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.AlarmPage, location="query")
@blueprint.response(200, schemas.Alarms)
def show_alarms(page: dict[str, Any]) -> dict[str, Any]:
    """Accounts that were stopped after too many unmasked views within an hour."""
    return {"alarms": list_alarms(**page)}


@blueprint.route("/bulk-viewing-alarms/<uuid:alarm_id>/release", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Release)
@blueprint.response(200, schemas.Alarm)
@blueprint.refuses(404)
def release_alarm(body: dict[str, Any], alarm_id: UUID) -> Alarm:
    """Let a stopped account go on, as somebody else."""
    return viewing.release_alarm(alarm_id=alarm_id, operator_id=caller().subject_id, **body)


def _entry(found: Assessment) -> dict[str, Any]:
    return vars(found) | {"document_hash": found.document_hash.hex()}

"""The routes of the register of impact assessments and of alarms about bulk viewing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.trail import assessments, auditing, schemas, security, viewing
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
    body["covers"] = tuple(body["covers"])
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


@blueprint.route("/impact-assessments/<uuid:assessment_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.AssessmentConfirmation)
@blueprint.response(200, schemas.Assessment)
@blueprint.refuses(404)
def confirm_assessment(body: dict[str, Any], assessment_id: UUID) -> dict[str, Any]:
    """Stand for an assessment that another operator registered; it is public from now on."""
    return _entry(assessments.confirm_assessment(
        assessment_id=assessment_id, operator_id=caller().subject_id, **body
    ))


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


@blueprint.route("/security-events/reading", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.EventsAsked)
@blueprint.response(200, schemas.Events)
def read_security_events(body: dict[str, Any]) -> dict[str, Any]:
    """The log of security, by time and kind; that it was read is an act of office."""
    page = {name: body.pop(name) for name in ("limit", "after")}
    return {"events": _read_events(body, **page)}


@blueprint.route("/security-events/export", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("10/hour")
@blueprint.arguments(schemas.EventsExported)
@blueprint.response(200, content_type="text/csv", description="At most 50,000 events.")
def export_security_events(body: dict[str, Any]) -> Response:
    """The log of security as a table; that it was taken along is an act of office."""
    events = _read_events(body, limit=security.EXPORT_ROWS_MAX)
    return Response(security.events_csv(events), content_type="text/csv; charset=utf-8")


def _read_events(
    asked: dict[str, Any], *, limit: int, after: UUID | None = None
) -> list[security.EventLine]:
    reason = asked.pop("reason")
    return auditing.read_events(
        span=security.Span(**asked), limit=limit, after=after, reason=reason,
        operator_id=caller().subject_id,
    )


def _entry(found: Assessment) -> dict[str, Any]:
    return vars(found) | {"document_hash": found.document_hash.hex()}

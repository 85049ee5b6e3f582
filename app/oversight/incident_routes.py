"""The routes of incidents with personal data."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.oversight import incident_schemas as schemas
from app.oversight import incidents
from app.oversight.notices import notice_to_person, report_to_authority
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

TEXT = "text/plain"

blueprint = Blueprint("incidents", __name__, url_prefix=API_PREFIX)


@blueprint.route("/incidents", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.NewIncident)
@blueprint.response(202, schemas.CountedIncident)
@blueprint.refuses(409)
def report_incident(body: dict[str, Any]) -> incidents.KnownIncident:
    """Register an incident; a worker lists who is affected.  The same again changes nothing."""
    reason = body.pop("reason")
    return incidents.report_incident(
        incident=incidents.NewIncident(**body), operator_id=caller().subject_id, reason=reason
    )


@blueprint.route("/incidents", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Incidents)
def list_incidents() -> dict[str, Any]:
    """The newest incidents and how far they are."""
    return {"incidents": incidents.list_incidents()}


@blueprint.route("/incidents/<uuid:incident_id>", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.CountedIncident)
@blueprint.refuses(404)
def show_incident(incident_id: UUID) -> incidents.KnownIncident:
    """An incident, with how many people are affected by what."""
    return incidents.show_incident(incident_id=incident_id)


@blueprint.route("/incidents/<uuid:incident_id>/people", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("600/hour")
@blueprint.arguments(schemas.PeopleAsked)
@blueprint.response(200, schemas.People)
@blueprint.refuses(404)
def list_people(body: dict[str, Any], incident_id: UUID) -> dict[str, Any]:
    """Who is affected, by random numbers; each of them sees that it was read."""
    people = incidents.list_people(
        incident_id=incident_id, operator_id=caller().subject_id, **body
    )
    return {"people": people}


@blueprint.route("/incidents/<uuid:incident_id>/release", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Act)
@blueprint.response(200, schemas.CountedIncident)
@blueprint.refuses(404, 409)
def release_notices(body: dict[str, Any], incident_id: UUID) -> incidents.KnownIncident:
    """Let the people be told, as somebody else than who reported it."""
    return incidents.release_notices(
        incident_id=incident_id, operator_id=caller().subject_id, **body
    )


@blueprint.route("/incidents/<uuid:incident_id>/authority-report.txt", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, content_type=TEXT, description="The report for the authority.")
@blueprint.refuses(404)
def read_authority_report(incident_id: UUID) -> Response:
    """The document for the authority, with counts and times."""
    report = report_to_authority(incidents.show_incident(incident_id=incident_id))
    return Response(
        report, content_type=f"{TEXT}; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="incident.txt"'},
    )


@blueprint.route("/incidents/<uuid:incident_id>/authority", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.AuthorityTold)
@blueprint.response(200, schemas.CountedIncident)
@blueprint.refuses(404, 409)
def note_authority(body: dict[str, Any], incident_id: UUID) -> incidents.KnownIncident:
    """Note under which number the authority has the report."""
    return incidents.note_authority(
        incident_id=incident_id, operator_id=caller().subject_id, **body
    )


@blueprint.route("/me/incident-notices", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.IncidentNotices)
def list_my_notices() -> dict[str, Any]:
    """What one is told of incidents that concern one's data."""
    told = incidents.my_notices(citizen_id=caller().subject_id)
    return {
        "notices": [
            {
                "incident_id": incident.incident_id, "noticed_at": person.noticed_at,
                "text": notice_to_person(incident, person),
            }
            for incident, person in told
        ]
    }

"""Credit repair over HTTP: for citizens, for operators, and for whoever was told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.config import running_settings
from app.repairs import operations, queries, schemas
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("repairs", __name__, url_prefix=API_PREFIX)


@blueprint.route("/me/adverse-records", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.OwnAdverseRecords)
def list_own_adverse() -> dict[str, Any]:
    """The caller's adverse records, until when they count, and when a repair may be asked for."""
    return {"records": operations.list_own_adverse(citizen_id=caller().subject_id)}


@blueprint.route("/me/repairs", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.NewRepair)
@blueprint.response(201, schemas.Repair)
@blueprint.refuses(404, 409)
def ask_repair(body: dict[str, Any]) -> queries.Repair:
    """Ask that an adverse record ends before its term does."""
    return operations.ask_repair(
        keys=key_provider(), decide_days=running_settings().repair_decide_days,
        citizen_id=caller().subject_id, application_id=body.pop("application_id"),
        request=operations.Request(**body),
    )


@blueprint.route("/me/repairs", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Repairs)
def list_own_repairs() -> dict[str, Any]:
    """The caller's applications: states, dates, reasons, and who decided by work name."""
    found = operations.list_own_repairs(keys=key_provider(), citizen_id=caller().subject_id)
    return {"repairs": found}


@blueprint.route("/repairs", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.RepairPage, location="query")
@blueprint.response(200, schemas.RepairLines)
def list_open(page: dict[str, Any]) -> dict[str, Any]:
    """What is to be decided, the most urgent first; at risk: due by the next working day."""
    return {"repairs": queries.list_open(is_at_risk=page["at_risk"], limit=page["limit"])}


@blueprint.route("/repairs/<uuid:application_id>/reading", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.RepairReason)
@blueprint.response(200, schemas.Repair)
@blueprint.refuses(404)
def read_repair(body: dict[str, str], application_id: UUID) -> queries.Repair:
    """All of an application, for a reason that the citizen reads in the trail."""
    return operations.open_repair(
        keys=key_provider(), operator_id=caller().subject_id, application_id=application_id,
        **body,
    )


@blueprint.route("/repairs/<uuid:application_id>/decision", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.RepairDecision)
@blueprint.response(200, schemas.RepairLine)
@blueprint.refuses(404, 409)
def decide_repair(body: dict[str, str], application_id: UUID) -> queries.RepairLine:
    """Grant, and the record counts no more from today on, or reject."""
    return operations.decide_repair(
        keys=key_provider(), operator_id=caller().subject_id, application_id=application_id,
        **body,
    )


@blueprint.route("/end-notices", methods=["GET"])
@allow(Role.CLERK, Role.SOURCE, Role.OPERATOR)
@blueprint.arguments(schemas.NoticePage, location="query")
@blueprint.response(200, schemas.EndNotices)
def list_notices(page: dict[str, Any]) -> dict[str, Any]:
    """What the caller was told and may use no more; operators see the notices to all."""
    who = caller()
    own = None if who.role is Role.OPERATOR else who.subject_id
    return {"notices": queries.list_notices(receiver_id=own, **page)}

"""Objections, repairs, complaints, the trail and a copy during a visit, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.complaints.operations import NewComplaint, OpenedComplaint
from app.complaints.schemas import NewComplaint as Complaint
from app.complaints.schemas import OwnComplaint
from app.config import running_settings
from app.counter import remedies, remedy_schemas
from app.members.schemas import Trail
from app.objections import schemas as objection_schemas
from app.objections.items import Statement, Subject
from app.objections.queries import WholeObjection
from app.objections.routes import clocks
from app.repairs import schemas as repair_schemas
from app.repairs.operations import Request
from app.repairs.queries import Repair
from app.rights.copies import Ticket
from app.rights.schemas import CopyTicket
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

VISIT = "/counter/visits/<uuid:visit_id>"

blueprint = Blueprint("counter_remedies", __name__, url_prefix=API_PREFIX)


@blueprint.route(f"{VISIT}/cases", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.response(200, remedy_schemas.Cases)
@blueprint.refuses(404, 409)
def show_cases(visit_id: UUID) -> remedies.Cases:
    """What the holder has asked for and what came of it, to be read out."""
    return remedies.show_cases(
        keys=key_provider(), operator_id=caller().subject_id, visit_id=visit_id
    )


@blueprint.route(f"{VISIT}/trail", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(remedy_schemas.TrailPart)
@blueprint.response(200, Trail)
@blueprint.refuses(404, 409)
def show_trail(page: dict[str, Any], visit_id: UUID) -> dict[str, Any]:
    """Who looked at the holder's data, in plain words to be read out."""
    lines = remedies.show_trail(operator_id=caller().subject_id, visit_id=visit_id, **page)
    return {"lines": lines}


@blueprint.route(f"{VISIT}/objections", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(objection_schemas.NewObjection)
@blueprint.response(201, objection_schemas.Objection)
@blueprint.refuses(404, 409)
def file_objection(body: dict[str, Any], visit_id: UUID) -> WholeObjection:
    """Object for the holder to a record, a score line, a redemption or a decision."""
    named = {name: body.pop(name) for name in vars(Subject("")) if name in body}
    return remedies.file_objection(
        keys=key_provider(), clocks=clocks(), operator_id=caller().subject_id, visit_id=visit_id,
        objection_id=body.pop("objection_id"), statement=Statement(Subject(**named), **body),
    )


@blueprint.route(f"{VISIT}/objections/second-look", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(remedy_schemas.SecondLookOf)
@blueprint.response(200, objection_schemas.Objection)
@blueprint.refuses(404, 409)
def ask_second_look(body: dict[str, UUID], visit_id: UUID) -> WholeObjection:
    """Have a rejected objection of the holder decided again, by somebody else."""
    return remedies.ask_second_look(
        keys=key_provider(), clocks=clocks(), operator_id=caller().subject_id, visit_id=visit_id,
        **body,
    )


@blueprint.route(f"{VISIT}/repairs", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(repair_schemas.NewRepair)
@blueprint.response(201, repair_schemas.Repair)
@blueprint.refuses(404, 409)
def ask_repair(body: dict[str, Any], visit_id: UUID) -> Repair:
    """Ask for the holder that an adverse record ends before its term does."""
    return remedies.ask_repair(
        keys=key_provider(), decide_days=running_settings().repair_decide_days,
        operator_id=caller().subject_id, visit_id=visit_id,
        application_id=body.pop("application_id"), request=Request(**body),
    )


@blueprint.route(f"{VISIT}/complaints", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(Complaint)
@blueprint.response(201, OwnComplaint)
@blueprint.refuses(404, 409)
def complain(body: dict[str, Any], visit_id: UUID) -> OpenedComplaint:
    """Complain for the holder about a redemption of theirs."""
    return remedies.complain(
        keys=key_provider(), operator_id=caller().subject_id, visit_id=visit_id,
        new=NewComplaint(**body),
    )


@blueprint.route(f"{VISIT}/copies", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("30/hour")
@blueprint.arguments(remedy_schemas.CopyOfVisit)
@blueprint.response(202, CopyTicket)
@blueprint.refuses(404, 409)
def hand_over_copy(body: dict[str, UUID], visit_id: UUID) -> Ticket:
    """What opens a copy of everything that is kept of the holder, told once, to hand over."""
    return remedies.hand_over_copy(
        operator_id=caller().subject_id, visit_id=visit_id, **body
    )

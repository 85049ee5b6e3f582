"""Objections for those who answer them: sources, and the operators who decide."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.objections import answers, attachments, decisions, queries, schemas
from app.objections.routes import BYTES, answer_file, clocks
from app.records.routes import FILE
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("objections_desk", __name__, url_prefix=API_PREFIX)


@blueprint.route("/source/objections", methods=["GET"])
@allow(Role.SOURCE)
@blueprint.arguments(schemas.AskedPage, location="query")
@blueprint.response(200, schemas.ObjectionLines)
def list_asked(page: dict[str, Any]) -> dict[str, Any]:
    """The open objections about records that the calling source delivered."""
    return {"objections": queries.list_of_source(source_id=caller().subject_id, **page)}


@blueprint.route("/source/objections/<uuid:objection_id>", methods=["GET"])
@allow(Role.SOURCE)
@blueprint.response(200, schemas.AskedObjection)
@blueprint.refuses(404)
def show_asked(objection_id: UUID) -> answers.AskedObjection:
    """What is said against a record of the calling source."""
    return answers.open_asked(
        keys=key_provider(), source_id=caller().subject_id, objection_id=objection_id
    )


@blueprint.route("/source/objections/<uuid:objection_id>/answer", methods=["POST"])
@allow(Role.SOURCE)
@blueprint.arguments(schemas.ObjectionAnswer)
@blueprint.response(200, schemas.ObjectionLine)
@blueprint.refuses(404, 409)
def answer_objection(body: dict[str, str], objection_id: UUID) -> queries.ObjectionLine:
    """Uphold the record, or say that it is corrected or withdrawn by a delivery."""
    return answers.answer(
        keys=key_provider(), source_id=caller().subject_id, objection_id=objection_id, **body
    )


@blueprint.route("/source/objections/<uuid:objection_id>/extension", methods=["POST"])
@allow(Role.SOURCE)
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, schemas.ObjectionLine)
@blueprint.refuses(404, 409)
def extend_term(body: dict[str, str], objection_id: UUID) -> queries.ObjectionLine:
    """Take the extra days to answer, once."""
    return answers.extend(
        clocks=clocks(), source_id=caller().subject_id, objection_id=objection_id, **body
    )


@blueprint.route("/objections", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.UndecidedPage, location="query")
@blueprint.response(200, schemas.ObjectionLines)
def list_undecided(page: dict[str, Any]) -> dict[str, Any]:
    """What is to be decided, the most urgent first."""
    return {"objections": queries.list_undecided(is_at_risk=page["at_risk"], limit=page["limit"])}


@blueprint.route("/objections/<uuid:objection_id>/reading", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, schemas.Objection)
@blueprint.refuses(404)
def read_objection(body: dict[str, str], objection_id: UUID) -> queries.WholeObjection:
    """All of an objection, for a reason that the citizen reads in the trail."""
    return decisions.open_objection(
        keys=key_provider(), operator_id=caller().subject_id, objection_id=objection_id, **body
    )


@blueprint.route(
    "/objections/<uuid:objection_id>/attachments/<uuid:attachment_id>/reading", methods=["POST"]
)
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, FILE, content_type=BYTES)
@blueprint.refuses(404)
def read_attachment(body: dict[str, str], objection_id: UUID, attachment_id: UUID) -> Response:
    """A file beside an objection, for a reason that the citizen reads in the trail."""
    return answer_file(attachments.open_as_operator(
        keys=key_provider(), operator_id=caller().subject_id, objection_id=objection_id,
        attachment_id=attachment_id, **body,
    ))


@blueprint.route("/objections/<uuid:objection_id>/decision", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.NewObjectionDecision)
@blueprint.response(200, schemas.ObjectionLine)
@blueprint.refuses(404, 409)
def decide_objection(body: dict[str, Any], objection_id: UUID) -> queries.ObjectionLine:
    """Uphold or reject; to void a record is only proposed."""
    return decisions.decide(
        keys=key_provider(), clocks=clocks(), operator_id=caller().subject_id,
        objection_id=objection_id, **body,
    )


@blueprint.route("/objections/<uuid:objection_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.VoidingConfirmation)
@blueprint.response(200, schemas.ObjectionLine)
@blueprint.refuses(404, 409)
def confirm_voiding(body: dict[str, bool], objection_id: UUID) -> queries.ObjectionLine:
    """The second operator's word on a proposed voiding."""
    return decisions.confirm_voiding(
        keys=key_provider(), clocks=clocks(), operator_id=caller().subject_id,
        objection_id=objection_id, **body,
    )

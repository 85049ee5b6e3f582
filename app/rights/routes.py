"""Consents and leaving over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.config import running_settings
from app.members import queries as members
from app.rights import consents, copies, leaving, queries, schemas
from app.rights.receipts import SignedReceipt
from app.trail.operations import Actor
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("rights", __name__, url_prefix=API_PREFIX)
ZIP = "application/zip"


@blueprint.route("/me/consents", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Standings)
def list_standing() -> dict[str, Any]:
    """Every purpose, its text, and how the caller stands to it."""
    return {"consents": consents.list_standing(
        citizen_id=caller().subject_id, ask_again_days=running_settings().ask_again_days
    )}


@blueprint.route("/me/consents", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.Decision)
@blueprint.response(200, schemas.Made)
def give_consent(body: dict[str, Any]) -> members.ConsentState:
    """Agree to the current text of a purpose."""
    return consents.give(citizen_id=caller().subject_id, **body)


@blueprint.route("/me/consents/refusals", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.Decision)
@blueprint.response(200, schemas.Made)
@blueprint.refuses(409)
def refuse_consent(body: dict[str, Any]) -> members.ConsentState:
    """Say no to a text; nobody asks again within the set time."""
    return consents.refuse(citizen_id=caller().subject_id, **body)


@blueprint.route("/me/consents/withdrawals", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.Purpose)
@blueprint.response(200, schemas.Made)
@blueprint.refuses(404, 409)
def withdraw_consent(body: dict[str, Any]) -> members.ConsentState:
    """Take a consent back; it holds when the answer is there."""
    return consents.withdraw(citizen_id=caller().subject_id, **body)


@blueprint.route("/me/consents/prompts", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.Purpose)
@blueprint.response(200, schemas.Text)
@blueprint.refuses(409)
def ask_for_consent(body: dict[str, Any]) -> members.PublishedText:
    """The text to show unasked; refused while the citizen's no is fresh."""
    return consents.ask(
        citizen_id=caller().subject_id, ask_again_days=running_settings().ask_again_days, **body
    )


@blueprint.route("/me/consents/decisions", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.DecisionPage, location="query")
@blueprint.response(200, schemas.Decisions)
def list_decisions(page: dict[str, Any]) -> dict[str, Any]:
    """Everything the caller ever decided, the newest first."""
    return {"decisions": members.list_decisions(citizen_id=caller().subject_id, **page)}


@blueprint.route("/me/consents/decisions/<uuid:consent_id>/receipt", methods=["GET"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.SignedReceipt)
@blueprint.refuses(404)
def show_receipt(consent_id: UUID) -> SignedReceipt:
    """The signed receipt of a decision, to keep."""
    return consents.sign_receipt(
        keys=key_provider(), citizen_id=caller().subject_id, consent_id=consent_id
    )


@blueprint.route("/me/leave", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.Leave)
@blueprint.response(200, schemas.SignedReceipt)
@blueprint.refuses(404)
def leave(_confirmed: dict[str, Any]) -> SignedReceipt:
    """Leave, in one step: nothing is done from now on, what is personal is deleted in 72 hours."""
    citizen_id = caller().subject_id
    return leaving.leave(
        keys=key_provider(), citizen_id=citizen_id, actor=Actor(Role.CITIZEN, citizen_id)
    )


@blueprint.route("/leavings/<uuid:leaving_id>", methods=["GET"])
@public
@limits.per_address("60/minute")
@blueprint.response(200, schemas.Departure)
@blueprint.refuses(404)
def show_leaving(leaving_id: UUID) -> queries.Departure:
    """How far the erasure is, by the number on the receipt."""
    return leaving.show_leaving(leaving_id=leaving_id)


@blueprint.route("/me/copies", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.AskedCopies)
def list_copies() -> dict[str, Any]:
    """The copies that the caller asked for."""
    return {"copies": queries.list_copies(citizen_id=caller().subject_id)}


@blueprint.route("/copies/<uuid:copy_id>/file", methods=["POST"])
@public
@limits.per_address("30/minute")
@blueprint.arguments(schemas.CopySecret)
@blueprint.response(200, content_type=ZIP, description="copy.json and copy.pdf.")
@blueprint.refuses(404, 409)
def take_copy(body: dict[str, Any], copy_id: UUID) -> Response:
    """Open a copy, once: it is deleted here when this answers."""
    content = copies.take_copy(keys=key_provider(), copy_id=copy_id, **body)
    return Response(content, content_type=ZIP, headers={
        "Content-Disposition": 'attachment; filename="copy.zip"', "Cache-Control": "no-store",
    })

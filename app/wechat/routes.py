"""Signing in and joining by WeChat."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from flask import Response, current_app, request

from app.members.routes import tokens_of
from app.members.schemas import Tokens
from app.rights.copies import Ticket
from app.rights.schemas import CopyTicket
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint
from app.wechat import operations, pay_score, schemas

blueprint = Blueprint("wechat", __name__, url_prefix=API_PREFIX)
callbacks = Blueprint("callbacks", __name__)
NOTICE_REFUSED = '{"code":"FAIL","message":"签名验证失败"}'


def gateway() -> operations.Gateway:
    """The services outside of the running application."""
    return cast("operations.Gateway", current_app.extensions["card_wechat"])


@blueprint.route("/sign-in/wechat", methods=["POST"])
@public
@limits.per_address("600/minute")
@blueprint.arguments(schemas.WeChatSignIn)
@blueprint.response(200, schemas.SignedIn)
@blueprint.refuses(403, 409)
def sign_in(body: dict[str, Any]) -> dict[str, Any]:
    """Sign in with a WeChat code; who is no member gets a ticket to join with."""
    found = operations.sign_in(keys=key_provider(), gateway=gateway(), **body)
    return {**vars(found), "tokens": found.opened and tokens_of(found.opened)}


@blueprint.route("/me/copies", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.CopyRequest)
@blueprint.response(202, CopyTicket)
@blueprint.refuses(403, 404, 409)
def ask_copy(body: dict[str, Any]) -> Ticket:
    """Ask for a copy of everything that is kept of the caller; it is ready within minutes."""
    return operations.ask_copy(
        keys=key_provider(), gateway=gateway(), citizen_id=caller().subject_id, **body
    )


@callbacks.route("/wechat/pay-score", methods=["POST"])
@public
@limits.per_address("6000/minute")
@callbacks.response(204)
def take_notice() -> Response:
    """What WeChat Pay tells of service orders, signed and sealed by it.

    What it did not sign is answered with 401 and `code` `FAIL`, in WeChat's own shape.
    """
    if pay_score.take_notice(headers=dict(request.headers), body=request.get_data()):
        return Response(status=204)
    return Response(NOTICE_REFUSED, status=401, content_type="application/json")


@blueprint.route("/me/service-orders/<uuid:order_id>/pay-score", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/minute")
@blueprint.response(200, schemas.PayScoreConfirmation)
@blueprint.refuses(404, 409, 503)
def open_confirmation(order_id: UUID) -> dict[str, Any]:
    """Open the page in WeChat on which the caller confirms an order."""
    return {"package": pay_score.open_confirmation(
        citizen_id=caller().subject_id, order_id=order_id
    )}


@blueprint.route("/me/pay-score/permission", methods=["GET"])
@allow(Role.CITIZEN)
@limits.per_caller("20/minute")
@blueprint.response(200, schemas.PayScorePermission)
@blueprint.refuses(409, 503)
def show_permission() -> dict[str, Any]:
    """Whether the caller permits orders without confirming each, as WeChat says."""
    return {"is_given": pay_score.has_permission(citizen_id=caller().subject_id)}


@blueprint.route("/me/pay-score/permission", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/minute")
@blueprint.response(200, schemas.PayScorePermissionRequest)
@blueprint.refuses(409, 503)
def ask_permission() -> dict[str, Any]:
    """Open the page in WeChat on which the caller permits orders once for all."""
    token = pay_score.ask_permission(citizen_id=caller().subject_id)
    return {"apply_permissions_token": token}


@blueprint.route("/me/pay-score/permission/end", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/minute")
@blueprint.response(204)
@blueprint.refuses(409, 503)
def end_permission() -> None:
    """Take the permission back at WeChat; doing it again changes nothing."""
    pay_score.end_permission(citizen_id=caller().subject_id)


@blueprint.route("/join", methods=["POST"])
@public
@limits.per_address("120/minute")
@blueprint.arguments(schemas.Join)
@blueprint.response(201, Tokens)
@blueprint.refuses(401, 403, 409)
def join(body: dict[str, Any]) -> dict[str, Any]:
    """Join after reading the texts at /consent-texts."""
    return tokens_of(operations.join(keys=key_provider(), gateway=gateway(), **body))

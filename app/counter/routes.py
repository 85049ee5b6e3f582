"""Paper cards and leaving at the counter, over HTTP: operators issue, clerks check."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, current_app, jsonify

from app.config import running_settings
from app.counter import cards, checks, schemas
from app.counter.leaving import leave_at_counter
from app.counter.presence import Present
from app.counter.sheet import SHEET_POLICY, draw_sheet
from app.library.operations import DeskAnswer
from app.library.schemas import Standing
from app.redemptions.operations import Counter
from app.redemptions.schemas import PreviewAnswer
from app.rights import receipts
from app.rights.schemas import SignedReceipt
from app.service_orders import counter as orders
from app.service_orders.schemas import SeenOrder
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("counter", __name__, url_prefix=API_PREFIX)


@blueprint.route("/paper-cards", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.NewCard)
@blueprint.response(201, schemas.Card)
@blueprint.refuses(404, 409)
def issue_card(body: dict[str, Any]) -> cards.IssuedCard:
    """Give the person at the counter a paper card; the one before is dead at once."""
    card_id = body.pop("card_id")
    return cards.issue_card(
        keys=key_provider(), operator_id=caller().subject_id, card_id=card_id,
        holder=Present(**body),
    )


@blueprint.route("/paper-cards/ending", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Holder)
@blueprint.response(204)
@blueprint.refuses(404, 409)
def end_card(body: dict[str, Any]) -> None:
    """End the card of the person at the counter; it is dead at once."""
    cards.end_card(
        keys=key_provider(), operator_id=caller().subject_id, holder=Present(**body)
    )


@blueprint.route("/paper-cards/sheet", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Holder)
@blueprint.response(200, content_type="text/html", description="One A4 page in large type.")
@blueprint.refuses(404, 409)
def print_sheet(body: dict[str, Any]) -> Response:
    """The sheet to print for the person at the counter."""
    printed = cards.print_card(
        keys=key_provider(), operator_id=caller().subject_id, holder=Present(**body)
    )
    page = draw_sheet(printed, hotline=running_settings().hotline)
    return Response(
        page, content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": SHEET_POLICY},
    )


@blueprint.route("/counter/leavings", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Holder)
@blueprint.response(200, SignedReceipt)
@blueprint.refuses(404)
def leave(body: dict[str, Any]) -> receipts.SignedReceipt:
    """End the membership of the person at the counter, in one step; the receipt to hand over."""
    return leave_at_counter(
        keys=key_provider(), operator_id=caller().subject_id, person=Present(**body)
    )


@blueprint.route("/card-checks", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.NewCheck)
@blueprint.response(201, schemas.Check)
@blueprint.refuses(404, 409)
def start_check(body: dict[str, Any]) -> checks.StartedCheck:
    """Begin a check of a paper card; the card by itself opens nothing."""
    return checks.start_check(
        keys=key_provider(), counter=_counter(body), sender=_sender(), **body
    )


@blueprint.route("/card-checks/passing", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.CheckPassing)
@blueprint.response(200, PreviewAnswer)
@blueprint.refuses(404, 409)
def pass_check(body: dict[str, Any]) -> Response:
    """End a check well: what a preview tells, and a reference to redeem with."""
    return jsonify(checks.pass_check(keys=key_provider(), counter=_counter(body), **body))


@blueprint.route("/card-checks/passing/library", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.CheckPassing)
@blueprint.response(200, Standing)
@blueprint.refuses(404, 409)
def pass_at_library(body: dict[str, Any]) -> DeskAnswer:
    """End a check well at a library's desk, as if it had scanned a pass code."""
    return checks.pass_at_library(keys=key_provider(), counter=_counter(body), **body)


@blueprint.route("/card-checks/passing/order", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.OrderPassing)
@blueprint.response(201, SeenOrder)
@blueprint.refuses(404, 409)
def pass_for_order(body: dict[str, Any]) -> orders.SeenOrder:
    """End a check well and open a service order with it, in use from now on."""
    proof = checks.Proof(body.pop("pin", None), body.pop("totp", None))
    return checks.pass_for_order(
        keys=key_provider(), counter=_counter(body), proof=proof, **body
    )


def _counter(body: dict[str, Any]) -> Counter:
    who = caller()
    return Counter(who.subject_id, who.session_id, body.pop("shop_id"))


def _sender() -> checks.PinSender:
    return cast("checks.PinSender", current_app.extensions["card_sms"])

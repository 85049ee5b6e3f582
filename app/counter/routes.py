"""Paper cards over HTTP: operators issue and end them, clerks begin and pass their checks."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, current_app, jsonify

from app.counter import cards, checks, schemas
from app.redemptions.operations import Counter
from app.redemptions.schemas import PreviewAnswer
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
        holder=cards.Present(**body),
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
        keys=key_provider(), operator_id=caller().subject_id, holder=cards.Present(**body)
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


def _counter(body: dict[str, Any]) -> Counter:
    who = caller()
    return Counter(who.subject_id, who.session_id, body.pop("shop_id"))


def _sender() -> checks.PinSender:
    return cast("checks.PinSender", current_app.extensions["card_sms"])

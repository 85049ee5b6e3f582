"""Visits over HTTP: an operator does for a holder who is there what the holder does on a phone."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from flask import Response, current_app

from app.config import running_settings
from app.counter import acts, visit_schemas, visits
from app.counter.checks import PinSender
from app.counter.joining import Newcomer, RealNames, join
from app.counter.page import draw_page
from app.counter.presence import Present
from app.counter.sheet import SHEET_POLICY
from app.members.operations import GivenConsent
from app.members.queries import ConsentState
from app.redemptions.queries import HeldVoucher
from app.redemptions.schemas import Claim, ClaimedVoucher, Voucher
from app.rights.receipts import SignedReceipt as Receipt
from app.rights.schemas import Leave, Made, SignedReceipt
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

JSON = "application/json"

blueprint = Blueprint("counter_visits", __name__, url_prefix=API_PREFIX)


@blueprint.route("/counter/joinings", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(visit_schemas.NewJoining)
@blueprint.response(201, visit_schemas.Joined)
@blueprint.refuses(404, 409, 503)
def join_at_counter(body: dict[str, Any]) -> dict[str, Any]:
    """Make the person at the counter a member, each consent read out and given by itself."""
    given = [GivenConsent(one["purpose"], one["text_version"]) for one in body.pop("consents")]
    receipts = join(
        keys=key_provider(), operator_id=caller().subject_id, consents=given,
        real_names=cast("RealNames", current_app.extensions["card_wechat"]),
        newcomer=Newcomer(phone=body.pop("phone", None), **body),
    )
    return {"receipts": receipts}


@blueprint.route("/counter/visits", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(visit_schemas.NewVisit)
@blueprint.response(201, visit_schemas.Visit)
@blueprint.refuses(404, 409, 503)
def start_visit(body: dict[str, Any]) -> visits.Visit:
    """Begin a visit; by `pin` it is open when the holder has read out the digits."""
    operator_id, visit_id = caller().subject_id, body.pop("visit_id")
    if body.pop("way") == "document":
        return visits.start_by_document(
            keys=key_provider(), operator_id=operator_id, visit_id=visit_id,
            holder=Present(**body),
        )
    return visits.start_by_pin(
        keys=key_provider(), operator_id=operator_id, visit_id=visit_id,
        holder=visits.Carried(**body),
        sender=cast("PinSender", current_app.extensions["card_sms"]),
    )


@blueprint.route("/counter/visits/<uuid:visit_id>/pin", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(visit_schemas.VisitPin)
@blueprint.response(200, visit_schemas.Visit)
@blueprint.refuses(404, 409)
def pass_visit(body: dict[str, str], visit_id: UUID) -> visits.Visit:
    """Open a visit with the digits from the holder's phone."""
    return visits.pass_visit(
        keys=key_provider(), operator_id=caller().subject_id, visit_id=visit_id, **body
    )


@blueprint.route("/counter/visits/<uuid:visit_id>/ending", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.response(204)
@blueprint.refuses(404)
def end_visit(visit_id: UUID) -> None:
    """End a visit, when the holder goes."""
    visits.end_visit(operator_id=caller().subject_id, visit_id=visit_id)


@blueprint.route("/counter/visits/<uuid:visit_id>/overview", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.response(200, visit_schemas.Overview)
@blueprint.refuses(404, 409)
def show_overview(visit_id: UUID) -> acts.Overview:
    """The holder's score with its lines, points, vouchers and consents, to be read out."""
    return acts.show_overview(
        keys=key_provider(), operator_id=caller().subject_id, visit_id=visit_id,
        ask_again_days=running_settings().ask_again_days,
    )


@blueprint.route("/counter/visits/<uuid:visit_id>/sheet", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(visit_schemas.SheetOf)
@blueprint.response(200, content_type="text/html", description="A4 pages in large type.")
@blueprint.refuses(404, 409)
def print_overview(body: dict[str, Any], visit_id: UUID) -> Response:
    """The same in large type for the printer, and the code of a voucher to take along."""
    settings = running_settings()
    printed = acts.print_overview(
        keys=key_provider(), operator_id=caller().subject_id, visit_id=visit_id,
        ask_again_days=settings.ask_again_days, **body,
    )
    return Response(
        draw_page(printed, hotline=settings.hotline), content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": SHEET_POLICY},
    )


@blueprint.route("/counter/visits/<uuid:visit_id>/consents", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(visit_schemas.VisitDecision)
@blueprint.response(200, Made)
@blueprint.refuses(404, 409)
def decide_consent(body: dict[str, Any], visit_id: UUID) -> ConsentState:
    """Give, refuse or withdraw one consent for the holder."""
    body.pop("was_read_aloud")
    return acts.decide_consent(
        operator_id=caller().subject_id, visit_id=visit_id, decided=acts.Decided(**body)
    )


@blueprint.route("/counter/visits/<uuid:visit_id>/vouchers", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(Claim)
@blueprint.response(200, ClaimedVoucher)
@blueprint.refuses(404, 409)
def claim_voucher(body: dict[str, Any], visit_id: UUID) -> Response:
    """Claim a benefit for the holder."""
    answer = acts.claim_voucher(operator_id=caller().subject_id, visit_id=visit_id, **body)
    return Response(answer, content_type=JSON)


@blueprint.route("/counter/visits/<uuid:visit_id>/vouchers/give-back", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(visit_schemas.VoucherOfVisit)
@blueprint.response(200, Voucher)
@blueprint.refuses(404, 409)
def give_back_voucher(body: dict[str, UUID], visit_id: UUID) -> HeldVoucher:
    """Give a voucher of the holder's back."""
    return acts.give_back_voucher(operator_id=caller().subject_id, visit_id=visit_id, **body)


@blueprint.route("/counter/visits/<uuid:visit_id>/leaving", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(Leave)
@blueprint.response(200, SignedReceipt)
@blueprint.refuses(404, 409)
def leave_on_visit(_confirmed: dict[str, bool], visit_id: UUID) -> Receipt:
    """End the holder's membership, in one step; the receipt to hand over."""
    return acts.leave_on_visit(
        keys=key_provider(), operator_id=caller().subject_id, visit_id=visit_id
    )

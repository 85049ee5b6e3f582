"""Service orders over HTTP: operators' lines, holders' orders, and the counter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.service_orders import counter, eligibility, lines, operations, queries, schemas
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("service_orders", __name__, url_prefix=API_PREFIX)


@blueprint.route("/guarantee-lines", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Lines)
def list_lines() -> dict[str, Any]:
    """Every line, confirmed or not."""
    return {"lines": queries.list_lines(confirmed_only=False)}


@blueprint.route("/guarantee-lines", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.LineProposal)
@blueprint.response(201, schemas.Line)
def propose_line(body: dict[str, Any]) -> queries.Line:
    """Propose a line; it can be used once another operator has confirmed it."""
    return lines.propose_line(operator_id=caller().subject_id, **body)


@blueprint.route("/guarantee-lines/<uuid:line_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, schemas.Line)
@blueprint.refuses(404, 409)
def confirm_line(body: dict[str, Any], line_id: UUID) -> queries.Line:
    """Confirm what another operator proposed."""
    return lines.confirm_line(operator_id=caller().subject_id, line_id=line_id, **body)


@blueprint.route("/me/guarantee-lines", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.OfferedLines)
def list_offered_lines() -> dict[str, Any]:
    """What may be rented without a deposit, or treated before paying."""
    return {"lines": operations.list_offered_lines(citizen_id=caller().subject_id)}


@blueprint.route("/me/benefits/<string:benefit_code>", methods=["GET"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.Eligibility)
@blueprint.refuses(404)
def show_eligibility(benefit_code: str) -> eligibility.Eligibility:
    """What a claim or an order would bring, what stands against it, and which ways lead to more."""
    return eligibility.open_eligibility(
        keys=key_provider(), citizen_id=caller().subject_id, benefit_code=benefit_code
    )


@blueprint.route("/me/service-orders", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewOrder)
@blueprint.response(201, schemas.Order)
@blueprint.refuses(403, 404, 409)
def create_order(body: dict[str, Any]) -> queries.Order:
    """Order, and hold the amount on the guarantor's line."""
    return operations.create_order(citizen_id=caller().subject_id, **body)


@blueprint.route("/me/service-orders", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.OrderPage, location="query")
@blueprint.response(200, schemas.Orders)
def list_orders(page: dict[str, Any]) -> dict[str, Any]:
    """The caller's orders, the latest first."""
    return {"orders": queries.list_orders(citizen_id=caller().subject_id, **page)}


@blueprint.route("/me/service-orders/<uuid:order_id>", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Order)
@blueprint.refuses(404)
def show_order(order_id: UUID) -> queries.Order:
    """One order of the caller."""
    return operations.show_order(citizen_id=caller().subject_id, order_id=order_id)


@blueprint.route("/me/service-orders/<uuid:order_id>/reference", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Reference)
@blueprint.refuses(404)
def show_reference(order_id: UUID) -> dict[str, str]:
    """What to show at the counter."""
    return {"reference": operations.show_reference(
        keys=key_provider(), citizen_id=caller().subject_id, order_id=order_id
    )}


@blueprint.route("/me/service-orders/<uuid:order_id>/confirm", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/minute")
@blueprint.arguments(schemas.Confirmation)
@blueprint.response(200, schemas.Order)
@blueprint.refuses(404, 409)
def confirm_order(body: dict[str, Any], order_id: UUID) -> queries.Order:
    """Confirm, with what the counter shows, within a minute."""
    return operations.confirm_order(
        citizen_id=caller().subject_id, order_id=order_id, **body
    )


@blueprint.route("/me/service-orders/<uuid:order_id>/cancel", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.OwnAct)
@blueprint.response(200, schemas.Order)
@blueprint.refuses(404, 409)
def cancel_order(body: dict[str, Any], order_id: UUID) -> queries.Order:
    """Give up an order that is not in use."""
    return operations.cancel_order(citizen_id=caller().subject_id, order_id=order_id, **body)


@blueprint.route("/me/service-orders/<uuid:order_id>/dispute", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.OwnAct)
@blueprint.response(200, schemas.Order)
@blueprint.refuses(404, 409)
def dispute_order(body: dict[str, Any], order_id: UUID) -> queries.Order:
    """Dispute what is owed."""
    return operations.dispute_order(
        citizen_id=caller().subject_id, order_id=order_id, **body
    )


@blueprint.route("/service-orders", methods=["GET"])
@allow(Role.CLERK)
@blueprint.arguments(schemas.SeenPage, location="query")
@blueprint.response(200, schemas.SeenOrders)
def list_seen_orders(page: dict[str, Any]) -> dict[str, Any]:
    """The orders that the clerk's merchant has started."""
    return {"orders": counter.list_orders(clerk=_clerk(page), **page)}


@blueprint.route("/service-orders/lines", methods=["GET"])
@allow(Role.CLERK)
@blueprint.arguments(schemas.LinesHere, location="query")
@blueprint.response(200, schemas.SeenLines)
def list_lines_here(page: dict[str, Any]) -> dict[str, Any]:
    """The lines with which the clerk's merchant serves holders of paper cards."""
    return {"lines": counter.list_lines_here(clerk=_clerk(page))}


@blueprint.route("/service-orders/start", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.Start)
@blueprint.response(200, schemas.SeenOrder)
@blueprint.refuses(404, 409)
def start_use(body: dict[str, Any]) -> counter.SeenOrder:
    """Hand over, or ask the holder to confirm first."""
    return counter.start_use(clerk=_clerk(body), **body)


@blueprint.route("/service-orders/complete", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.Bill)
@blueprint.response(200, schemas.SeenOrder)
@blueprint.refuses(404, 409)
def complete(body: dict[str, Any]) -> counter.SeenOrder:
    """Bill what was used; a bill of nothing, or all insured, frees the hold."""
    return counter.complete(clerk=_clerk(body), **body)


@blueprint.route("/service-orders/claim", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.Claim)
@blueprint.response(200, schemas.SeenOrder)
@blueprint.refuses(404, 409)
def claim(body: dict[str, Any]) -> counter.SeenOrder:
    """Claim for damage or delay."""
    return counter.claim(clerk=_clerk(body), **body)


@blueprint.route("/service-orders/dispute", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.ClerkAct)
@blueprint.response(200, schemas.SeenOrder)
@blueprint.refuses(404, 409)
def dispute(body: dict[str, Any]) -> counter.SeenOrder:
    """Note that the holder disputes what is owed."""
    return counter.dispute(clerk=_clerk(body), **body)


@blueprint.route("/service-orders/resolve", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.Resolution)
@blueprint.response(200, schemas.SeenOrder)
@blueprint.refuses(404, 409)
def resolve_dispute(body: dict[str, Any]) -> counter.SeenOrder:
    """Say what stays of a disputed amount."""
    return counter.resolve_dispute(clerk=_clerk(body), **body)


@blueprint.route("/service-orders/payment", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.ClerkAct)
@blueprint.response(200, schemas.SeenOrder)
@blueprint.refuses(404, 409)
def take_payment(body: dict[str, Any]) -> counter.SeenOrder:
    """Note that all that is owed was paid at the counter."""
    return counter.take_payment(clerk=_clerk(body), **body)


def _clerk(body: dict[str, Any]) -> counter.Clerk:
    who = caller()
    return counter.Clerk(key_provider(), who.subject_id, who.session_id, body.pop("shop_id"))

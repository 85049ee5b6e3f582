"""The catalogue over HTTP."""

from __future__ import annotations

from typing import Any

from app.benefits import operations, queries, schemas, statements
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("benefits", __name__, url_prefix=API_PREFIX)


@blueprint.route("/benefits", methods=["GET"])
@public
@blueprint.response(200, schemas.Benefits)
def list_benefits() -> dict[str, Any]:
    """The benefits in force: what everybody gets, and what tiers add."""
    return {"benefits": queries.list_current()}


@blueprint.route("/benefits/<string:benefit_code>/slots", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.arguments(schemas.SlotDay, location="query")
@blueprint.response(200, schemas.Slots)
@blueprint.refuses(404)
def list_slots(day: dict[str, Any], benefit_code: str) -> dict[str, Any]:
    """The slots of a day that are not over, and how many places each has left."""
    return {"slots": queries.list_slots(benefit_code=benefit_code, **day)}


@blueprint.route("/me/benefits", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Offers)
def list_my_benefits() -> dict[str, Any]:
    """Every benefit in force as it stands for the caller."""
    return {"offers": operations.list_offers(citizen_id=caller().subject_id)}


@blueprint.route("/me/benefits/<string:benefit_code>/statements", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("10/minute")
@blueprint.response(200, schemas.SignedStatement)
@blueprint.refuses(403, 404)
def sign_statement(benefit_code: str) -> statements.SignedStatement:
    """A signed statement of the caller's tier, to be given to whom the caller likes."""
    return statements.sign_statement(
        keys=key_provider(), citizen_id=caller().subject_id, benefit_code=benefit_code
    )


@blueprint.route("/benefit-merchants", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.BenefitMerchant)
@blueprint.response(204)
@blueprint.refuses(404)
def let_merchant_take(body: dict[str, Any]) -> None:
    """Say that a merchant takes a benefit."""
    operations.let_merchant_take(**body)

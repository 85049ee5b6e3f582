"""Merchants over HTTP: thin operator routes, and what staff see of their own."""

from __future__ import annotations

from typing import Any

from app.merchants import operations, queries, schemas
from app.web.auth import Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("merchants", __name__, url_prefix=API_PREFIX)


@blueprint.route("/merchants", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewMerchant)
@blueprint.response(201, schemas.Merchant)
@blueprint.refuses(409)
def register_merchant(body: dict[str, Any]) -> operations.RegisteredMerchant:
    """Register a merchant."""
    return operations.register_merchant(**body)


@blueprint.route("/merchant-suspensions", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Suspension)
@blueprint.response(200, schemas.Merchant)
@blueprint.refuses(404)
def suspend_merchant(body: dict[str, Any]) -> operations.RegisteredMerchant:
    """Stop or allow a merchant's scanning."""
    return operations.set_merchant_suspended(**body)


@blueprint.route("/shops", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Shop)
@blueprint.response(201, schemas.Shop)
@blueprint.refuses(404)
def open_shop(body: dict[str, Any]) -> operations.RegisteredShop:
    """Open a shop of a merchant."""
    return operations.open_shop(**body)


@blueprint.route("/staff-assignments", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Assignment)
@blueprint.response(200, schemas.Assignment)
@blueprint.refuses(404, 409)
def assign_staff(body: dict[str, Any]) -> operations.Assignment:
    """Say where a staff account works."""
    return operations.assign_staff(**body)


@blueprint.route("/merchant/staff", methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.response(200, schemas.Assignments)
def list_staff() -> dict[str, Any]:
    """The staff of the caller's merchant."""
    return {"staff": operations.list_own_clerks(owner_id=caller().subject_id)}


@blueprint.route("/merchant/shops", methods=["GET"])
@allow(Role.CLERK, Role.MERCHANT_OWNER)
@blueprint.response(200, schemas.OwnShops)
def list_shops() -> dict[str, Any]:
    """The shops where the caller works."""
    shops = queries.list_shops_of_staff(staff_id=caller().subject_id)
    return {"shops": [{"shop_id": shop_id, "name": name} for shop_id, name in shops]}

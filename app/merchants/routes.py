"""Merchants over HTTP: suspensions, devices, and what staff see of their own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.merchants import devices, operations, queries, schemas, suspensions
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.openapi import API_PREFIX, Blueprint
from integrity_card_scanner.envelope import PublicKey

blueprint = Blueprint("merchants", __name__, url_prefix=API_PREFIX)


@blueprint.route("/merchant-suspensions", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewSuspension)
@blueprint.response(200, schemas.Suspension)
@blueprint.refuses(404)
def suspend_merchant(body: dict[str, Any]) -> suspensions.KeptSuspension:
    """Stop a merchant's scanning at once."""
    return suspensions.suspend(operator_id=caller().subject_id, **body)


@blueprint.route("/merchant-suspensions/<uuid:suspension_id>/lifting", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, schemas.Suspension)
@blueprint.refuses(404, 409)
def lift_suspension(body: dict[str, Any], suspension_id: UUID) -> suspensions.KeptSuspension:
    """Propose the end of a suspension; another operator's call ends it."""
    return suspensions.lift(
        operator_id=caller().subject_id, suspension_id=suspension_id, **body
    )


@blueprint.route("/merchant/suspensions", methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.response(200, schemas.Suspensions)
def list_suspensions() -> dict[str, Any]:
    """The suspensions of the caller's merchant, with their reasons."""
    return {"suspensions": suspensions.list_own_suspensions(owner_id=caller().subject_id)}


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


@blueprint.route("/merchant/device-invitations", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewDevice)
@blueprint.response(201, schemas.DeviceInvitation)
@blueprint.refuses(404)
def invite_device(body: dict[str, Any]) -> devices.Invitation:
    """A code that enrols one device in a shop of the caller, once, within 15 minutes."""
    return devices.invite_device(owner_id=caller().subject_id, **body)


@blueprint.route("/devices", methods=["POST"])
@public
@limits.per_address("20/minute")
@blueprint.arguments(schemas.Enrolment)
@blueprint.response(201, schemas.Device)
@blueprint.refuses(401, 404)
def enrol_device(body: dict[str, Any]) -> devices.EnrolledDevice:
    """Enrol the device that shows the code; the same key again gives the same device."""
    key = PublicKey(body["suite"], bytes.fromhex(body["public_key"]))
    return devices.enrol_device(code=body["code"], key=key, proof=bytes.fromhex(body["proof"]))


@blueprint.route("/merchant/devices", methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.response(200, schemas.Devices)
def list_devices() -> dict[str, Any]:
    """The devices of the caller's merchant."""
    return {"devices": devices.list_own_devices(owner_id=caller().subject_id)}


@blueprint.route("/devices/<uuid:device_id>/switch-off", methods=["POST"])
@allow(Role.MERCHANT_OWNER, Role.OPERATOR)
@limits.per_caller("60/minute")
@blueprint.response(200, schemas.Device)
@blueprint.refuses(404)
def switch_off_device(device_id: UUID) -> devices.EnrolledDevice:
    """Switch a lost or stolen device off, for good: owners their own, operators any."""
    who = caller()
    owner_id = None if who.role is Role.OPERATOR else who.subject_id
    return devices.switch_off_device(device_id=device_id, owner_id=owner_id)

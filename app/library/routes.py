"""Libraries over HTTP: the desk, the machines' accounts, and citizens' own waivers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.library import machines, operations, queries, schemas
from app.redemptions.operations import Counter
from app.trail.operations import Actor
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("library", __name__, url_prefix=API_PREFIX)


@blueprint.route("/library/standing", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("120/minute")
@blueprint.arguments(schemas.Ask)
@blueprint.response(200, schemas.Standing)
@blueprint.refuses(409)
def ask(body: dict[str, Any]) -> operations.DeskAnswer:
    """What stands behind a pass code; it burns the code."""
    return operations.ask(keys=key_provider(), counter=_counter(body), **body)


@blueprint.route("/library/waivers", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.NewWaiver)
@blueprint.response(201, schemas.DeskWaiver)
@blueprint.refuses(409)
def register_waiver(body: dict[str, Any]) -> operations.DeskWaiver:
    """Waive a deposit for whom the reference stands."""
    return operations.register_waiver(keys=key_provider(), counter=_counter(body), **body)


@blueprint.route("/library/waivers/return", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.WaiverReturn)
@blueprint.response(200, schemas.DeskWaiver)
@blueprint.refuses(404)
def return_waiver(body: dict[str, Any]) -> operations.DeskWaiver:
    """End a waiver; a second time changes nothing."""
    return operations.return_waiver(keys=key_provider(), counter=_counter(body), **body)


@blueprint.route("/library/waivers/find", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.WaiverSearch)
@blueprint.response(200, schemas.DeskWaivers)
def find_waivers(body: dict[str, Any]) -> dict[str, Any]:
    """The waivers that stand for one account of the library's reader."""
    found = operations.find_waivers(keys=key_provider(), counter=_counter(body), **body)
    return {"waivers": found}


@blueprint.route("/library/waivers", methods=["GET"])
@allow(Role.CLERK)
@blueprint.arguments(schemas.DeskWaiverPage, location="query")
@blueprint.response(200, schemas.DeskWaivers)
def list_waivers(page: dict[str, Any]) -> dict[str, Any]:
    """The waivers that stand at the clerk's library, the latest registered first."""
    found = operations.list_waivers(keys=key_provider(), counter=_counter(page), **page)
    return {"waivers": found}


@blueprint.route("/me/library-waivers", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.WaiverPage, location="query")
@blueprint.response(200, schemas.Waivers)
def list_own_waivers(page: dict[str, Any]) -> dict[str, Any]:
    """Where deposits are waived for the caller, and where they were."""
    return {"waivers": queries.list_own_waivers(citizen_id=caller().subject_id, **page)}


@blueprint.route("/library/machines", methods=["POST"])
@allow(Role.MERCHANT_OWNER, signed_in_lately=True)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewMachine)
@blueprint.response(201, schemas.MachineSecret)
@blueprint.refuses(404, 409)
def make_machine(body: dict[str, Any]) -> machines.NewSecret:
    """An account for a self-service machine; its password is told once."""
    return machines.make_machine(keys=key_provider(), owner_id=caller().subject_id, **body)


@blueprint.route("/library/machines", methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.response(200, schemas.Machines)
def list_machines() -> dict[str, Any]:
    """The self-service machines of the caller's library."""
    return {"machines": machines.list_machines(owner_id=caller().subject_id)}


@blueprint.route("/library/machines/<uuid:machine_id>/secret", methods=["POST"])
@allow(Role.MERCHANT_OWNER, signed_in_lately=True)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.MachineSecret)
@blueprint.refuses(404)
def renew_secret(machine_id: UUID) -> machines.NewSecret:
    """Another password for a machine; the old one is refused from now on."""
    return machines.renew_secret(
        keys=key_provider(), owner_id=caller().subject_id, machine_id=machine_id
    )


@blueprint.route("/library/machines/<uuid:machine_id>/suspension", methods=["POST"])
@allow(Role.MERCHANT_OWNER, Role.OPERATOR)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.MachineSuspension)
@blueprint.response(200, schemas.Machine)
@blueprint.refuses(404)
def suspend_machine(body: dict[str, Any], machine_id: UUID) -> machines.Machine:
    """Stop or allow a machine, from its next message on: owners their own, operators any."""
    who = caller()
    return machines.set_machine_suspended(
        actor=Actor(who.role.value, who.subject_id), machine_id=machine_id,
        owner_id=None if who.role is Role.OPERATOR else who.subject_id, **body,
    )


def _counter(body: dict[str, Any]) -> Counter:
    who = caller()
    return Counter(who.subject_id, who.session_id, body.pop("shop_id"))

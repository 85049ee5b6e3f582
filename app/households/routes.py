"""Households over HTTP: every adult acts in a session of their own."""

from __future__ import annotations

from typing import Any

from app.households import operations, queries, schemas
from app.households.invitations import Invitation
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("households", __name__, url_prefix=API_PREFIX)


@blueprint.route("/villages", methods=["GET"])
@public
@blueprint.arguments(schemas.VillagesQuery, location="query")
@blueprint.response(200, schemas.Villages)
def list_villages(page: dict[str, Any]) -> dict[str, Any]:
    """The villages and communities to choose from."""
    return {"villages": queries.list_villages(**page)}


@blueprint.route("/villages", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("600/hour")
@blueprint.arguments(schemas.Village)
@blueprint.response(201, schemas.Village)
@blueprint.refuses(409)
def add_village(body: dict[str, str]) -> queries.ListedVillage:
    """Add a village to choose; the same again changes nothing."""
    return operations.add_village(**body)


@blueprint.route("/me/village", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.MyVillage)
def show_village() -> dict[str, Any]:
    """The village that the caller has chosen."""
    return {"village": queries.find_village(citizen_id=caller().subject_id)}


@blueprint.route("/me/village", methods=["PUT"])
@allow(Role.CITIZEN)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.ChosenVillage)
@blueprint.response(200, schemas.MyVillage)
@blueprint.refuses(404)
def choose_village(body: dict[str, Any]) -> dict[str, Any]:
    """Say where the caller lives, or nothing; a household's village is its head's."""
    return {"village": operations.choose_village(citizen_id=caller().subject_id, **body)}


@blueprint.route("/me/household", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Household)
@blueprint.refuses(404)
def show_household() -> queries.Household:
    """The caller's household and the adults in it, masked."""
    return operations.open_household(keys=key_provider(), citizen_id=caller().subject_id)


@blueprint.route("/me/household", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.Agreement)
@blueprint.response(200, schemas.Household)
@blueprint.refuses(403, 409)
def form_household(body: dict[str, Any]) -> queries.Household:
    """Make the caller the head of a household; who is one already stays it."""
    return operations.form_household(
        keys=key_provider(), citizen_id=caller().subject_id, **body
    )


@blueprint.route("/me/household/invitations", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.response(201, schemas.Invitation)
@blueprint.refuses(403, 404, 409)
def invite_adult() -> Invitation:
    """A code with which one adult joins the caller's household."""
    return operations.invite_adult(citizen_id=caller().subject_id)


@blueprint.route("/me/household/invitation", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.InvitationCode)
@blueprint.response(200, schemas.OpenInvitation)
@blueprint.refuses(404)
def read_invitation(body: dict[str, str]) -> operations.OpenInvitation:
    """Whose household a code leads into; nothing changes."""
    return operations.read_invitation(keys=key_provider(), **body)


@blueprint.route("/me/household/join", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.Joining)
@blueprint.response(200, schemas.Household)
@blueprint.refuses(403, 404, 409)
def join_household(body: dict[str, Any]) -> queries.Household:
    """Join the household of a code, with the caller's own consent."""
    return operations.join_household(
        keys=key_provider(), citizen_id=caller().subject_id, **body
    )


@blueprint.route("/me/household/consent", methods=["PUT"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.Agreement)
@blueprint.response(200, schemas.Household)
@blueprint.refuses(403, 404)
def renew_consent(body: dict[str, Any]) -> queries.Household:
    """Agree to a newer text; until then the caller's records do not count."""
    return operations.renew_consent(
        keys=key_provider(), citizen_id=caller().subject_id, **body
    )


@blueprint.route("/me/household/leave", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.response(204)
def leave_household() -> None:
    """Leave at once, and withdraw the consent; when the head leaves the household is over."""
    operations.leave_household(citizen_id=caller().subject_id)

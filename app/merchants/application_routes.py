"""Applications of organisations, the commitment they sign, and their staff, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.members.operations import NewStaff
from app.merchants import application_schemas as schemas
from app.merchants import applications, commitments, employment, operations
from app.merchants import schemas as merchant_schemas
from app.merchants.devices import Invitation
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("merchant_applications", __name__, url_prefix=API_PREFIX)

ONE = "/merchant-applications/<uuid:application_id>"


@blueprint.route("/commitment-text", methods=["GET"])
@public
@blueprint.response(200, schemas.Commitment)
def read_commitment() -> commitments.Commitment:
    """The integrity commitment that merchants sign."""
    return commitments.current_commitment()


@blueprint.route("/commitment-texts", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewCommitment)
@blueprint.response(201, schemas.Commitment)
@blueprint.refuses(409)
def publish_commitment(body: dict[str, Any]) -> commitments.Commitment:
    """Publish the next text of the commitment."""
    return commitments.publish_commitment(operator_id=caller().subject_id, **body)


@blueprint.route("/merchant-applications", methods=["POST"])
@public
@limits.per_address("20/hour")
@blueprint.arguments(schemas.NewApplication)
@blueprint.response(201, schemas.Application)
@blueprint.refuses(409)
def apply(body: dict[str, Any]) -> applications.Application:
    """Apply to take part as a merchant; the same again gives the same application."""
    text_hash = bytes.fromhex(body.pop("text_hash"))
    new = applications.NewApplication(text_hash=text_hash, **body)
    return applications.apply(keys=key_provider(), new=new)


@blueprint.route("/merchant-applications/status", methods=["POST"])
@public
@limits.per_address("60/minute")
@blueprint.arguments(schemas.Ticket)
@blueprint.response(200, schemas.Application)
@blueprint.refuses(404)
def follow_application(body: dict[str, Any]) -> applications.Application:
    """What has become of an application."""
    return applications.follow(**body)


@blueprint.route("/merchant-applications/owner-invitation", methods=["POST"])
@public
@limits.per_address("20/hour")
@blueprint.arguments(schemas.Ticket)
@blueprint.response(201, schemas.StaffInvitation)
@blueprint.refuses(404, 409)
def invite_first_owner(body: dict[str, Any]) -> Invitation:
    """The code for the first owner of an approved merchant."""
    return employment.invite_first_owner(**body)


@blueprint.route("/merchant-applications", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ApplicationPage, location="query")
@blueprint.response(200, schemas.Applications)
def list_applications(page: dict[str, Any]) -> dict[str, Any]:
    """The applications, the latest first."""
    return {"applications": applications.list_applications(**page)}


@blueprint.route(f"{ONE}/contact", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(merchant_schemas.Reason)
@blueprint.response(200, schemas.Contact)
@blueprint.refuses(404)
def open_contact(body: dict[str, Any], application_id: UUID) -> applications.Contact:
    """The contact of an application, in plain; reading it is written down."""
    return applications.open_contact(
        keys=key_provider(), operator_id=caller().subject_id, application_id=application_id,
        **body,
    )


@blueprint.route(f"{ONE}/proposal", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(merchant_schemas.Reason)
@blueprint.response(200, schemas.ReviewedApplication)
@blueprint.refuses(404, 409)
def propose_approval(body: dict[str, Any], application_id: UUID) -> applications.Application:
    """Propose to approve an application."""
    return applications.propose_approval(
        operator_id=caller().subject_id, application_id=application_id, **body
    )


@blueprint.route(f"{ONE}/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(merchant_schemas.Reason)
@blueprint.response(200, schemas.ReviewedApplication)
@blueprint.refuses(404, 409)
def confirm_approval(body: dict[str, Any], application_id: UUID) -> applications.Application:
    """Approve what another operator has proposed: the merchant and its shops are there."""
    return applications.confirm_approval(
        operator_id=caller().subject_id, application_id=application_id, **body
    )


@blueprint.route(f"{ONE}/refusal", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(merchant_schemas.Reason)
@blueprint.response(200, schemas.ReviewedApplication)
@blueprint.refuses(404, 409)
def refuse_application(body: dict[str, Any], application_id: UUID) -> applications.Application:
    """Refuse an application, with a reason that the applicant reads."""
    return applications.refuse(
        operator_id=caller().subject_id, application_id=application_id, **body
    )


@blueprint.route("/merchant/shops", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewShop)
@blueprint.response(201, merchant_schemas.Shop)
def open_own_shop(body: dict[str, Any]) -> operations.RegisteredShop:
    """Open a shop of the caller's merchant."""
    return employment.open_own_shop(owner_id=caller().subject_id, shop=body)


@blueprint.route("/merchant/staff-invitations", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewStaffInvitation)
@blueprint.response(201, schemas.StaffInvitation)
@blueprint.refuses(404)
def invite_staff(body: dict[str, Any]) -> Invitation:
    """A code with which one person joins the caller's merchant, within three days."""
    return employment.invite_staff(owner_id=caller().subject_id, **body)


@blueprint.route("/staff-invitations/acceptance", methods=["POST"])
@public
@limits.per_address("20/minute")
@blueprint.arguments(schemas.Acceptance)
@blueprint.response(201, schemas.NewAccount)
@blueprint.refuses(404, 409)
def accept_invitation(body: dict[str, Any]) -> NewStaff:
    """Open the account that a code is for, with a name and password of one's own."""
    return employment.accept_invitation(keys=key_provider(), **body)


@blueprint.route("/merchant/staff/<uuid:staff_id>/move", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@blueprint.arguments(schemas.Move)
@blueprint.response(200, merchant_schemas.Assignment)
@blueprint.refuses(404)
def move_staff(body: dict[str, Any], staff_id: UUID) -> operations.Assignment:
    """Let somebody of the caller's merchant work in another shop."""
    return employment.move_staff(owner_id=caller().subject_id, staff_id=staff_id, **body)


@blueprint.route("/merchant/staff/<uuid:staff_id>/end", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@blueprint.response(200, merchant_schemas.Assignment)
@blueprint.refuses(404, 409)
def end_staff(staff_id: UUID) -> operations.Assignment:
    """End somebody's work for the caller's merchant at once."""
    return employment.end_staff(owner_id=caller().subject_id, staff_id=staff_id)

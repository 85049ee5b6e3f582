"""Complaints over HTTP, and the public page of a merchant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.complaints import operations, pages, queries, schemas
from app.merchants import schemas as merchant_schemas
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("complaints", __name__, url_prefix=API_PREFIX)


@blueprint.route("/me/complaints", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.NewComplaint)
@blueprint.response(201, schemas.OwnComplaint)
@blueprint.refuses(404, 409)
def complain(body: dict[str, Any]) -> operations.OpenedComplaint:
    """Complain about an own redemption; the merchant answers within five working days."""
    return operations.complain(
        keys=key_provider(), citizen_id=caller().subject_id, new=operations.NewComplaint(**body)
    )


@blueprint.route("/me/complaints", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.ComplaintPage, location="query")
@blueprint.response(200, schemas.OwnComplaints)
def list_own_complaints(page: dict[str, Any]) -> dict[str, Any]:
    """The caller's complaints and what came of them."""
    found = operations.list_own(keys=key_provider(), citizen_id=caller().subject_id, **page)
    return {"complaints": found}


@blueprint.route("/merchant/complaints", methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.arguments(schemas.ComplaintPage, location="query")
@blueprint.response(200, schemas.MerchantComplaints)
def list_complaints_about_us(page: dict[str, Any]) -> dict[str, Any]:
    """The complaints about the caller's merchant, without who complains."""
    return {"complaints": operations.list_about(owner_id=caller().subject_id, **page)}


@blueprint.route("/merchant/complaints/<uuid:complaint_id>/text", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("60/minute")
@blueprint.response(200, schemas.ComplaintText)
@blueprint.refuses(404)
def read_shared_text(complaint_id: UUID) -> dict[str, str]:
    """The words of a complaint, where the citizen lets the merchant read them."""
    text = operations.read_shared_text(
        keys=key_provider(), owner_id=caller().subject_id, complaint_id=complaint_id
    )
    return {"text": text}


@blueprint.route("/merchant/complaints/<uuid:complaint_id>/answer", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@blueprint.arguments(schemas.NewAnswer)
@blueprint.response(200, schemas.AnyComplaint)
@blueprint.refuses(404, 409)
def answer_complaint(body: dict[str, Any], complaint_id: UUID) -> queries.KeptComplaint:
    """Answer a complaint, once, before it is over."""
    return operations.answer(
        keys=key_provider(), owner_id=caller().subject_id, complaint_id=complaint_id, **body
    )


@blueprint.route("/complaints", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ComplaintPage, location="query")
@blueprint.response(200, schemas.EscalatedComplaints)
def list_escalated_complaints(page: dict[str, Any]) -> dict[str, Any]:
    """The complaints that were not answered in time."""
    return {"complaints": queries.list_escalated(**page)}


@blueprint.route("/complaints/<uuid:complaint_id>/text", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(merchant_schemas.Reason)
@blueprint.response(200, schemas.ComplaintText)
@blueprint.refuses(404, 409)
def read_text(body: dict[str, Any], complaint_id: UUID) -> dict[str, str]:
    """The words of a complaint that waits for an operator; the citizen sees who read them."""
    text = operations.read_text(
        keys=key_provider(), operator_id=caller().subject_id, complaint_id=complaint_id, **body
    )
    return {"text": text}


@blueprint.route("/complaints/<uuid:complaint_id>/decision", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewDecision)
@blueprint.response(200, schemas.EscalatedComplaint)
@blueprint.refuses(404, 409)
def decide_complaint(body: dict[str, Any], complaint_id: UUID) -> queries.KeptComplaint:
    """Decide a complaint that was not answered in time."""
    return operations.decide(
        keys=key_provider(), operator_id=caller().subject_id, complaint_id=complaint_id, **body
    )


@blueprint.route("/public/merchants/<uuid:merchant_id>", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, schemas.PublicMerchantPage)
@blueprint.refuses(404)
def show_merchant(merchant_id: UUID) -> pages.MerchantPage:
    """The public page of a merchant."""
    return pages.show_merchant(merchant_id=merchant_id)

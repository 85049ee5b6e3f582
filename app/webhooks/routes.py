"""Webhooks over HTTP: a merchant's owner and the endpoints of that merchant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from flask import current_app

from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint
from app.webhooks import deliveries, operations, queries, schemas
from app.webhooks.sending import Sender

blueprint = Blueprint("webhooks", __name__, url_prefix=API_PREFIX)

ENDPOINTS = "/merchant/webhook-endpoints"
ENDPOINT = f"{ENDPOINTS}/<uuid:endpoint_id>"


def sender() -> Sender:
    """What sends webhooks, of the running application."""
    return cast("Sender", current_app.extensions["card_webhooks"])


@blueprint.route(ENDPOINTS, methods=["POST"])
@allow(Role.MERCHANT_OWNER, signed_in_lately=True)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewEndpoint)
@blueprint.response(201, schemas.NewSecret)
@blueprint.refuses(409)
def register_endpoint(body: dict[str, Any]) -> operations.NewSecret:
    """Register an endpoint; its secret is in this answer and in no other."""
    return operations.register_endpoint(
        keys=key_provider(), guard=sender().guard, owner_id=caller().subject_id, **body
    )


@blueprint.route(ENDPOINTS, methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.response(200, schemas.Endpoints)
def list_endpoints() -> dict[str, Any]:
    """The endpoints of the caller's merchant."""
    return {"endpoints": operations.list_own_endpoints(owner_id=caller().subject_id)}


@blueprint.route(f"{ENDPOINT}/secret", methods=["POST"])
@allow(Role.MERCHANT_OWNER, signed_in_lately=True)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.Rotation)
@blueprint.response(200, schemas.NewSecret)
@blueprint.refuses(404)
def rotate_secret(body: dict[str, Any], endpoint_id: UUID) -> operations.NewSecret:
    """Give an endpoint a new secret; the old one goes on signing too for the hours given."""
    return operations.rotate_secret(
        keys=key_provider(), owner_id=caller().subject_id, endpoint_id=endpoint_id,
        overlap=timedelta(hours=body["overlap_hours"]),
    )


@blueprint.route(f"{ENDPOINT}/enabling", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.Enabling)
@blueprint.response(200, schemas.Endpoint)
@blueprint.refuses(404)
def set_endpoint_enabled(body: dict[str, Any], endpoint_id: UUID) -> queries.Endpoint:
    """Stop an endpoint, or let it go on."""
    return operations.set_endpoint_enabled(
        owner_id=caller().subject_id, endpoint_id=endpoint_id, **body
    )


@blueprint.route(f"{ENDPOINT}/removal", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("60/minute")
@blueprint.response(200, schemas.Removed)
@blueprint.refuses(404)
def remove_endpoint(endpoint_id: UUID) -> dict[str, Any]:
    """Remove an endpoint with its log."""
    operations.remove_endpoint(owner_id=caller().subject_id, endpoint_id=endpoint_id)
    return {}


@blueprint.route(f"{ENDPOINT}/tests", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("30/minute")
@blueprint.response(201, schemas.Delivery)
@blueprint.refuses(404, 409)
def send_test(endpoint_id: UUID) -> queries.Delivery:
    """Send a test event; what came of it stands in the log."""
    return deliveries.send_test(owner_id=caller().subject_id, endpoint_id=endpoint_id)


@blueprint.route(f"{ENDPOINT}/deliveries", methods=["GET"])
@allow(Role.MERCHANT_OWNER)
@blueprint.arguments(schemas.DeliveryPage, location="query")
@blueprint.response(200, schemas.Deliveries)
@blueprint.refuses(404)
def list_deliveries(page: dict[str, Any], endpoint_id: UUID) -> dict[str, Any]:
    """The log of an endpoint, the latest first."""
    return {"deliveries": deliveries.list_own_deliveries(
        owner_id=caller().subject_id, endpoint_id=endpoint_id, **page
    )}


@blueprint.route(f"{ENDPOINT}/redeliveries", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("20/minute")
@blueprint.arguments(schemas.Since)
@blueprint.response(200, schemas.Redelivered)
@blueprint.refuses(404, 409)
def redeliver_dead(body: dict[str, Any], endpoint_id: UUID) -> deliveries.Redelivered:
    """Send again what was given up since a time."""
    return deliveries.redeliver_dead(
        owner_id=caller().subject_id, endpoint_id=endpoint_id, **body
    )


@blueprint.route(f"{ENDPOINT}/deliveries/<uuid:event_id>/redelivery", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.Delivery)
@blueprint.refuses(404, 409)
def redeliver(endpoint_id: UUID, event_id: UUID) -> queries.Delivery:
    """Send one event again, under its id."""
    return deliveries.redeliver(
        owner_id=caller().subject_id, endpoint_id=endpoint_id, event_id=event_id
    )

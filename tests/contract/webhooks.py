"""Endpoints of webhooks for requests that work: made anew for each call, in room made for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import Party, World, sent
from tests.redemptions.builders import API

ENDPOINTS = "/merchant/webhook-endpoints"
ENDPOINT = f"{ENDPOINTS}/<uuid:endpoint_id>"
DELIVERIES = f"{ENDPOINT}/deliveries"


def new_endpoint(world: World, party: Party) -> dict[str, Any]:
    """What registers an endpoint; the party's others are removed."""
    owner = party.callers[Role.MERCHANT_OWNER].headers
    listed = world.client.get(f"{API}{ENDPOINTS}", headers=owner).get_json()["endpoints"]
    for one in listed:
        sent(world.client, f"{ENDPOINTS}/{one['endpoint_id']}/removal", {}, owner)
    return {
        "endpoint_id": str(new_id()), "url": "http://127.0.0.1:9/hooks",
        "event_types": ["redemption.redeemed"],
    }


def endpoint_of(world: World, party: Party) -> str:
    """The id of a party's new endpoint."""
    owner = party.callers[Role.MERCHANT_OWNER].headers
    made = sent(world.client, ENDPOINTS, new_endpoint(world, party), owner)
    return str(made["endpoint"]["endpoint_id"])


def delivery_of(world: World, party: Party) -> dict[str, str]:
    """The address of a delivery to a party's new endpoint."""
    endpoint_id = endpoint_of(world, party)
    owner = party.callers[Role.MERCHANT_OWNER].headers
    made = sent(world.client, f"{ENDPOINTS}/{endpoint_id}/tests", {}, owner)
    return {"endpoint_id": endpoint_id, "event_id": str(made["event_id"])}


def _of_endpoint(
    body: dict[str, Any] | None = None, query: dict[str, Any] | None = None
) -> Callable[[World], Made]:
    return lambda world: (body, {"endpoint_id": endpoint_of(world, world.ours)}, query or {})


WEBHOOKS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", ENDPOINTS): lambda world: (new_endpoint(world, world.ours), {}, {}),
    ("POST", f"{ENDPOINT}/secret"): _of_endpoint({"overlap_hours": 1}),
    ("POST", f"{ENDPOINT}/enabling"): _of_endpoint({"enabled": False}),
    ("POST", f"{ENDPOINT}/removal"): _of_endpoint(),
    ("POST", f"{ENDPOINT}/tests"): _of_endpoint(),
    ("POST", f"{ENDPOINT}/redeliveries"): _of_endpoint({"since": "2026-01-01T00:00:00Z"}),
    ("GET", DELIVERIES): _of_endpoint(None, {"limit": 2, "state": "dead"}),
    ("POST", f"{DELIVERIES}/<uuid:event_id>/redelivery"): lambda world: (
        None, delivery_of(world, world.ours), {}
    ),
}

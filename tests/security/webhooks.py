"""S9, S10 for webhooks: what comes of another merchant's endpoint or delivery."""

from __future__ import annotations

from typing import Any

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.webhooks import ENDPOINTS, delivery_of, endpoint_of, new_endpoint
from tests.contract.world import World
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API

UNKNOWN = (404, "webhook_endpoint_unknown")


def their_endpoints_are_unknown(world: World) -> None:
    """Ids of theirs in the address are answered like those that nobody has."""
    owner = world.ours.callers[Role.MERCHANT_OWNER].headers
    theirs, nobodys = delivery_of(world, world.theirs), (new_id(), new_id())
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/secret", {}), ("POST", "/enabling", {"enabled": False}),
        ("POST", "/removal", None), ("POST", "/tests", None), ("GET", "/deliveries", None),
        ("POST", "/redeliveries", {"since": "2026-01-01T00:00:00Z"}),
    ]  # fmt: skip
    for endpoint_id, event_id in (theirs.values(), nobodys):
        last = f"/deliveries/{event_id}/redelivery"
        for method, path, body in (*asked, ("POST", last, None)):
            address = f"{API}{ENDPOINTS}/{endpoint_id}{path}"
            answer = world.client.open(address, method=method, json=body, headers=owner)
            assert outcome(answer) == UNKNOWN, path
    mine = endpoint_of(world, world.ours)
    crossed = f"{API}{ENDPOINTS}/{mine}/deliveries/{theirs['event_id']}/redelivery"
    answer = world.client.post(crossed, headers=owner)
    assert outcome(answer) == (404, "webhook_delivery_unknown")


def an_endpoint_under_their_id_is_our_own(world: World) -> None:
    theirs = endpoint_of(world, world.theirs)
    body = new_endpoint(world, world.ours) | {"endpoint_id": theirs}
    address = f"{API}{ENDPOINTS}"
    listed = []
    for party in (world.ours, world.theirs):
        owner = party.callers[Role.MERCHANT_OWNER].headers
        if party is world.ours:
            assert world.client.post(address, json=body, headers=owner).status_code == 201
        listed.append(world.client.get(address, headers=owner).get_json()["endpoints"])
    assert [[one["endpoint_id"] for one in found] for found in listed] == [[theirs], [theirs]]
    assert listed[0][0]["created_at"] != listed[1][0]["created_at"]

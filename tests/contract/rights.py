"""Requests about rights that work: body, address, query."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from app.rights.leaving import leave
from app.trail.operations import SYSTEM
from tests.contract.orders import Made
from tests.contract.world import Party, SignedIn, World, new_citizen
from tests.redemptions.builders import API, keys_of

LEAVE = f"{API}/me/leave"
CONSENTS = "/me/consents"


def decided(world: World, party: Party) -> str:
    """The id of a consent that this party's citizen gave."""
    body = {"purpose": "loan", "text_version": 1}
    answer = world.client.post(f"{API}{CONSENTS}", json=body, headers=party.citizen.headers)
    assert answer.status_code == 200, answer.get_json()
    return str(answer.get_json()["consent_id"])


def somebody_new(world: World) -> SignedIn:
    """Whose leaving nobody else feels."""
    with world.app.app_context():
        return new_citizen(world.app)


def _left(world: World) -> Made:
    citizen_id = somebody_new(world).subject_id
    with world.app.app_context():
        answer = leave(keys=keys_of(world.app), citizen_id=citizen_id, actor=SYSTEM)
    return None, {"leaving_id": orjson.loads(answer.receipt)["leaving_id"]}, {}


def _withdrawal(world: World) -> Made:
    decided(world, world.ours)
    return {"purpose": "loan"}, {}, {}


def _text(purpose: str) -> Callable[[World], Made]:
    return lambda _: ({"purpose": purpose, "text_version": 1}, {}, {})


RIGHTS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/me/leave"): lambda _: ({"confirmed": True}, {}, {}),
    ("GET", "/leavings/<uuid:leaving_id>"): _left,
    ("POST", CONSENTS): _text("transit_location"),
    ("POST", f"{CONSENTS}/refusals"): _text("rental"),
    ("POST", f"{CONSENTS}/withdrawals"): _withdrawal,
    ("POST", f"{CONSENTS}/prompts"): lambda _: ({"purpose": "clinic"}, {}, {}),
    ("GET", f"{CONSENTS}/decisions"): lambda _: (None, {}, {"limit": 2}),
    ("GET", f"{CONSENTS}/decisions/<uuid:consent_id>/receipt"): lambda world: (
        None, {"consent_id": decided(world, world.ours)}, {},
    ),
}

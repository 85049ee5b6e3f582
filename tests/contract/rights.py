"""Requests about rights that work: body, address, query."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import orjson
from sqlalchemy import update

from app.kernel.crypto import seal
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members.queries import find_data_key
from app.rights.copies import Ticket, _context, ask_copy
from app.rights.leaving import leave
from app.rights.models import PersonalCopy
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


def copy_asked(world: World, party: Party) -> Ticket:
    """A copy of this party's citizen that can be taken."""
    citizen_id, copy_id, keys = party.citizen.subject_id, new_id(), keys_of(world.app)
    with world.app.app_context():
        forget_copies(citizen_id)
        ticket = ask_copy(citizen_id=citizen_id, copy_id=copy_id)
        key = find_data_key(keys=keys, citizen_id=citizen_id)
        assert key is not None
        with transaction() as session:
            kept = session.get_one(PersonalCopy, (citizen_id, copy_id))
            kept.content_sealed = seal(key, b"PK", context=_context(copy_id))
    return ticket


def forget_copies(citizen_id: UUID) -> None:
    """As if what was asked for had been so a year ago."""
    year = timedelta(days=366)
    with transaction() as session:
        session.execute(
            update(PersonalCopy)
            .where(PersonalCopy.citizen_id == citizen_id)
            .values(
                asked_at=PersonalCopy.asked_at - year, expires_at=PersonalCopy.expires_at - year
            )
        )


def _copy_taken(world: World) -> Made:
    ticket = copy_asked(world, world.ours)
    return {"secret": ticket.secret}, {"copy_id": str(ticket.copy.copy_id)}, {}


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
    ("POST", "/copies/<uuid:copy_id>/file"): _copy_taken,
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

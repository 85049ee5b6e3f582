"""Paper cards for requests that work: each time somebody else's card, at our own counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.counter.cards import issue_card
from app.counter.checks import start_check
from app.counter.presence import Present
from app.kernel.ids import new_id
from app.redemptions.operations import Counter
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import Party, World
from tests.counter.desk import REASON, fresh_code, make_holder
from tests.members.api import keys_of


def _present(world: World, id_number: str | None = None) -> dict[str, Any]:
    operator_id = world.ours.callers[Role.OPERATOR].subject_id
    return {
        "id_number": id_number or make_holder(world.app).person.id_number, "reason": REASON,
        "totp": fresh_code(world.app, operator_id),
    }


def card(world: World, id_number: str | None = None) -> str:
    """What is printed on a card that is good."""
    present = Present(**_present(world, id_number))
    with world.app.app_context():
        return issue_card(
            keys=keys_of(world.app), card_id=new_id(), holder=present,
            operator_id=world.ours.callers[Role.OPERATOR].subject_id,
        ).code


def waiting(world: World, party: Party) -> str:
    """A check at the party's counter that waits for its clerk's code."""
    clerk, text = party.clerk, card(world)
    with world.app.app_context():
        return start_check(
            keys=keys_of(world.app), check_id=new_id(), card=text, way="document",
            counter=Counter(clerk.subject_id, clerk.session_id, party.shop_id),
            sender=world.app.extensions["card_sms"],
        ).check


def _new_check(world: World) -> Made:
    return {
        "check_id": str(new_id()), "shop_id": str(world.ours.shop_id), "card": card(world),
        "way": "document",
    }, {}, {}


def _passing(world: World) -> Made:
    return {
        "shop_id": str(world.ours.shop_id), "check": waiting(world, world.ours),
        "totp": fresh_code(world.app, world.ours.clerk.subject_id),
    }, {}, {}


def _printing(world: World) -> Made:
    id_number = make_holder(world.app).person.id_number
    card(world, id_number)
    return _present(world, id_number), {}, {}


COUNTER: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/paper-cards"): lambda world: (
        {"card_id": str(new_id()), **_present(world)}, {}, {}
    ),
    ("POST", "/paper-cards/ending"): lambda world: (_present(world), {}, {}),
    ("POST", "/paper-cards/sheet"): _printing,
    ("POST", "/counter/leavings"): lambda world: (_present(world), {}, {}),
    ("POST", "/card-checks"): _new_check,
    ("POST", "/card-checks/passing"): _passing,
}

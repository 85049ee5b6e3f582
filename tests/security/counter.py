"""S9, S10 for checks of paper cards: another's shop, another's check."""

from __future__ import annotations

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.counter import card, waiting
from tests.contract.world import World
from tests.counter.desk import fresh_code
from tests.redemptions.builders import API


def checks_begin_at_our_own_shop(world: World) -> None:
    for shop_id in (world.theirs.shop_id, new_id()):
        body = {
            "check_id": str(new_id()), "shop_id": str(shop_id), "card": card(world),
            "way": "document",
        }
        answer = world.client.post(f"{API}/card-checks", json=body, headers=_clerk(world))
        assert (answer.status_code, answer.get_json()["code"]) == (403, "wrong_shop")


def checks_end_where_they_began(world: World) -> None:
    body = {
        "shop_id": str(world.ours.shop_id), "check": waiting(world, world.theirs),
        "totp": fresh_code(world.app, world.ours.clerk.subject_id),
    }
    answer = world.client.post(f"{API}/card-checks/passing", json=body, headers=_clerk(world))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "reference_foreign")


def _clerk(world: World) -> dict[str, str]:
    return dict(world.ours.callers[Role.CLERK].headers)

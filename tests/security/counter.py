"""S9, S10 for checks of paper cards: another's shop, another's check."""

from __future__ import annotations

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.counter import PIN, card, visiting, waiting
from tests.contract.world import World
from tests.counter.desk import REMEDIES, code_after_wrong_ones
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
    check = waiting(world, world.theirs)
    terms = {"line_id": str(new_id()), "amount_fen": 100}
    for at, more in (
        ("", {}), ("/library", {}), ("/order", {"order_id": str(new_id()), "terms": terms}),
    ):
        body = {
            "shop_id": str(world.ours.shop_id), "check": check,
            "totp": code_after_wrong_ones(world.app, world.ours.clerk.subject_id), **more,
        }
        path = f"{API}/card-checks/passing{at}"
        answer = world.client.post(path, json=body, headers=_clerk(world))
        assert (answer.status_code, answer.get_json()["code"]) == (403, "reference_foreign")


def visits_are_their_operators(world: World) -> None:
    """A visit with their operator is answered like one that nobody has."""
    headers = world.ours.callers[Role.OPERATOR].headers
    voucher: dict[str, object] = {"voucher_id": str(new_id())}
    bodies: dict[str, dict[str, object] | None] = {
        "pin": {"pin": PIN}, "ending": None, "overview": None, "sheet": {},
        "consents": {
            "purpose": "library", "text_version": 1, "decision": "given", "was_read_aloud": True,
        },
        "vouchers": {**voucher, "benefit_code": world.benefit_code}, "vouchers/give-back": voucher,
        "leaving": {"confirmed": True}, **REMEDIES,
    }  # fmt: skip
    for visit_id in (visiting(world, world.theirs), str(new_id())):
        for act, body in bodies.items():
            at = f"{API}/counter/visits/{visit_id}/{act}"
            answer = world.client.post(at, json=body, headers=headers)
            assert (answer.status_code, answer.get_json()["code"]) == (404, "visit_unknown")


def _clerk(world: World) -> dict[str, str]:
    return dict(world.ours.callers[Role.CLERK].headers)

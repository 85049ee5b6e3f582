"""S9, S10 for service orders: what comes of another's order, merchant or act."""

from __future__ import annotations

from typing import Any

from app.kernel.ids import new_id
from tests.contract.orders import shop_of
from tests.contract.world import World
from tests.service_orders.shop import NONCE, Shop, done, refusal

UNKNOWN = "service_order_unknown"


def _with_their_clerk(world: World, shop: Shop) -> Shop:
    return Shop(shop.client, shop.line_id, shop_of(world, world.theirs).clerk, shop.holder)


def their_orders_are_unknown(world: World) -> None:
    """An id of theirs in the address is answered like one that nobody has."""
    ours, theirs = shop_of(world, world.ours), shop_of(world, world.theirs)
    act = {"act_id": str(new_id())}
    for order_id in (theirs.ordered(), str(new_id())):
        for method, path, body in (
            ("GET", "", None), ("GET", "/reference", None), ("POST", "/cancel", act),
            ("POST", "/dispute", act), ("POST", "/pay-score", None),
            ("POST", "/confirm", act | {"nonce": NONCE}),
        ):  # fmt: skip
            assert refusal(ours.own(method, f"/{order_id}{path}", body)) == UNKNOWN


def pages_of_orders_hold_our_own(world: World) -> None:
    ours, theirs = shop_of(world, world.ours), shop_of(world, world.theirs)
    foreign = theirs.ordered()
    mine = ours.ordered()
    page = done(ours.own("GET", f"?before={foreign}&limit=100"))["orders"]
    assert foreign not in {one["order_id"] for one in page}
    assert mine in {one["order_id"] for one in done(ours.own("GET", "?limit=1"))["orders"]}


def an_order_under_their_id_is_our_own(world: World) -> None:
    ours, theirs = shop_of(world, world.ours), shop_of(world, world.theirs)
    order_id = theirs.ordered()
    before = done(theirs.own("GET", f"/{order_id}"))
    made = done(ours.order(order_id=order_id), 201)
    assert made["line_id"] == str(ours.line_id)
    assert done(theirs.own("GET", f"/{order_id}")) == before


def counters_act_on_their_own_orders(world: World) -> None:
    ours = shop_of(world, world.ours)
    strangers = _with_their_clerk(world, ours)
    waiting, running = ours.ordered(), ours.started()
    assert refusal(strangers.counter(waiting, "start", nonce=NONCE)) == UNKNOWN
    acts: list[tuple[str, dict[str, Any]]] = [
        ("complete", {"total_fen": 1}), ("claim", {"amount_fen": 1}), ("dispute", {}),
        ("resolve", {"amount_fen": 0}), ("payment", {}),
    ]  # fmt: skip
    for verb, values in acts:
        assert refusal(strangers.counter(running, verb, **values)) == UNKNOWN
        wrong = ours.counter(running, verb, shop_id=str(world.theirs.shop_id), **values)
        assert refusal(wrong) == "wrong_shop"
    assert ours.state(running) == "in_use"

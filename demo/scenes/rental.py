"""Renting without a deposit: one comes back whole and is free, one damaged and is paid in part."""

from __future__ import annotations

from app.kernel.ids import new_id
from demo.api import Api
from demo.scenes.orders import Desk, open_line, tell_offer, tell_seen
from demo.setting import SCENIC_SPOT, Shop
from demo.telling import tell, yuan

CART_FEN, UMBRELLA_FEN, DAMAGE_FEN = 30_000, 9_900, 3_000
CONFIRM_ABOVE_FEN = 9_900  # as the catalogue publishes it
SHOWN_AT_COUNTER = "483920"


def rent_without_deposit(
    operators: tuple[Api, Api], *, spot: Shop, holder: Api, name: str,
    stranger: Api, stranger_name: str,
) -> None:
    """A line, a rental that the holder confirms, one that is damaged, and one refused."""
    line_id = open_line(operators, {
        "kind": "rental", "name": "观光车与雨伞免押", "guarantor_kind": "merchant",
        "guarantor_code": SCENIC_SPOT.credit_code, "guarantor_name": SCENIC_SPOT.name,
        "merchant_ids": [spot.merchant_id], "tiers": {"A": 9_900, "AA": 30_000, "AAA": 50_000},
        "confirm_above_fen": CONFIRM_ABOVE_FEN, "benefit_code": "rental",
    })  # fmt: skip
    desk = Desk(spot, line_id, holder)
    tell_offer(holder, line_id, name)
    _return_whole(desk, name)
    _return_damaged(desk, name)
    tell_offer(holder, line_id, name)
    _ask_without_tier(stranger, line_id, stranger_name)


def _return_whole(desk: Desk, name: str) -> None:
    """Above the line's amount the holder confirms what the counter shows."""
    order_id = desk.order(CART_FEN)
    tell(f"{name} orders a cart; {yuan(CART_FEN)} is held on the line, no deposit is paid")
    tell(f"the clerk scans the order; it is above {yuan(CONFIRM_ABOVE_FEN)}, so the counter shows "
         f"{SHOWN_AT_COUNTER} and waits a minute")  # fmt: skip
    tell_seen(desk.act(order_id, "start", nonce=SHOWN_AT_COUNTER))
    confirmed = desk.own(order_id, "confirm", nonce=SHOWN_AT_COUNTER)
    tell(f"{name} types it on the phone: {confirmed['state']}, and drives off")
    tell("the cart comes back whole, the bill is nothing, the hold is free:")
    tell_seen(desk.act(order_id, "complete", total_fen=0))


def _return_damaged(desk: Desk, name: str) -> None:
    """Only a part of the hold is claimed, the rest is free at once."""
    order_id = desk.order(UMBRELLA_FEN)
    tell(f"{name} orders an umbrella; it is not above that amount and handed over at once:")
    tell_seen(desk.act(order_id, "start", nonce=SHOWN_AT_COUNTER))
    tell(f"a rib is broken: the counter claims {yuan(DAMAGE_FEN)}, the rest of the hold is free")
    tell_seen(desk.act(order_id, "claim", amount_fen=DAMAGE_FEN))
    tell(f"{name} pays it at the counter:")
    tell_seen(desk.act(order_id, "payment"))


def _ask_without_tier(stranger: Api, line_id: str, name: str) -> None:
    """Who is not eligible is served like everybody, and no counter hears of it."""
    body = {"order_id": str(new_id()), "line_id": line_id, "amount_fen": UMBRELLA_FEN}
    refused = stranger.post("/me/service-orders", body, expect=409)
    tell(f"{name} has no tier yet: {refused['code']}: {refused['advice']}")

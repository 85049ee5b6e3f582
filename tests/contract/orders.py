"""Service orders for requests that work: body and address, made anew for each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members import joining
from app.members.queries import find_openid
from app.web.auth import Role
from tests.contract.world import Party, World, sent
from tests.redemptions.builders import (
    Citizen,
    Clerk,
    give_consent,
    keys_of,
    made_up_credit_code,
    set_tier,
)
from tests.service_orders.shop import NONCE, Shop, done, make_line, publish_guarantee
from tests.trail.assessed import assessed

Made = tuple[dict[str, Any] | None, dict[str, str], dict[str, Any]]  # body, address, query
LARGE_FEN = 30_000


def shop_of(
    world: World, party: Party, counter: Party | None = None, **facts: Any
) -> Shop:
    """A party's own shop with a line of its own, and the party's citizen in it."""
    at = counter or party
    citizen, clerk = party.citizen, at.clerk
    give_consent(world.app, citizen.subject_id, "rental")
    set_tier(world.app, citizen.subject_id, "AA")  # a score may have been computed since
    return Shop(
        world.client,
        make_line(world.app, at.merchant_id, **facts),
        Clerk(clerk.subject_id, clerk.session_id, at.merchant_id, at.shop_id, clerk.headers),
        Citizen(citizen.subject_id, citizen.session_id, citizen.headers),
    )


def _proposal(world: World) -> dict[str, Any]:
    return {
        "line_id": str(new_id()), "kind": "clinic", "name": "先诊疗后付费",
        "guarantor_kind": "bank", "guarantor_code": made_up_credit_code(),
        "guarantor_name": "合作银行", "merchant_ids": [str(world.ours.merchant_id)],
        "tiers": {"AA": 50_000, "AAA": 100_000}, "reason": "协议已签订",
        "benefit_code": publish_guarantee(world.app),
    }


def _confirmed(world: World) -> Made:
    body = _proposal(world)
    with world.app.app_context():
        assessed("sensitive", "clinic")
    sent(world.client, "/guarantee-lines", body, world.theirs.callers[Role.OPERATOR].headers)
    return {"reason": "协议已核对"}, {"line_id": body["line_id"]}, {}


def _new_order(world: World) -> Made:
    shop = shop_of(world, world.ours)
    body = {"order_id": str(new_id()), "line_id": str(shop.line_id), "amount_fen": 9_900}
    return body, {}, {}


def _own(verb: str | None = None) -> Callable[[World], Made]:
    def make(world: World) -> Made:
        shop = shop_of(world, world.ours)
        order_id = shop.ordered(LARGE_FEN if verb == "confirm" else 9_900)
        body: dict[str, Any] | None = {"act_id": str(new_id())} if verb else None
        if verb == "confirm" and body is not None:
            done(shop.counter(order_id, "start", nonce=NONCE))
            body["nonce"] = NONCE
        if verb == "dispute":
            done(shop.counter(order_id, "start", nonce=NONCE))
            done(shop.counter(order_id, "complete", total_fen=100))
        return body, {"order_id": order_id}, {}

    return make


def bound(world: World) -> None:
    """The caller signs in by WeChat from now on."""
    citizen_id, keys = world.ours.citizen.subject_id, keys_of(world.app)
    with world.app.app_context(), transaction() as session:
        if find_openid(keys=keys, citizen_id=citizen_id) is None:
            joining._bind_openid(  # noqa: SLF001 -- as joining does
                session, keys, citizen_id, f"openid-of-{citizen_id}"
            )


def _permission(world: World) -> Made:
    bound(world)
    return None, {}, {}


def _in_wechat(world: World) -> Made:
    bound(world)
    shop = shop_of(world, world.ours, collection="pay_score_confirm")
    return None, {"order_id": shop.ordered()}, {}


def _at_counter(*before: tuple[str, dict[str, Any]], **values: Any) -> Callable[[World], Made]:
    """An act on an order to which these acts were done before."""

    def make(world: World) -> Made:
        shop = shop_of(world, world.ours)
        order_id = shop.ordered()
        for verb, more in before:
            done(shop.counter(order_id, verb, **more))
        body = {
            "act_id": str(new_id()), "shop_id": str(world.ours.shop_id),
            "reference": shop.reference(order_id), **values,
        }
        return body, {}, {}

    return make


_START = ("start", {"nonce": NONCE})
_BILL = ("complete", {"total_fen": 100})
ORDERS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/guarantee-lines"): lambda world: (_proposal(world), {}, {}),
    ("POST", "/guarantee-lines/<uuid:line_id>/confirmation"): _confirmed,
    ("POST", "/me/service-orders"): _new_order,
    ("GET", "/me/service-orders"): lambda _: (None, {}, {"limit": 2}),
    ("GET", "/me/service-orders/<uuid:order_id>"): _own(),
    ("GET", "/me/service-orders/<uuid:order_id>/reference"): _own(),
    ("POST", "/me/service-orders/<uuid:order_id>/confirm"): _own("confirm"),
    ("POST", "/me/service-orders/<uuid:order_id>/cancel"): _own("cancel"),
    ("POST", "/me/service-orders/<uuid:order_id>/dispute"): _own("dispute"),
    ("POST", "/me/service-orders/<uuid:order_id>/pay-score"): _in_wechat,
    ("GET", "/me/pay-score/permission"): _permission,
    ("POST", "/me/pay-score/permission"): _permission,
    ("POST", "/me/pay-score/permission/end"): _permission,
    ("GET", "/service-orders"): lambda world: (
        None, {}, {"shop_id": str(world.ours.shop_id), "limit": 2}
    ),
    ("GET", "/service-orders/lines"): lambda world: (
        None, {}, {"shop_id": str(world.ours.shop_id)}
    ),
    ("POST", "/service-orders/start"): _at_counter(nonce=NONCE),
    ("POST", "/service-orders/complete"): _at_counter(_START, total_fen=300, insured_fen=200),
    ("POST", "/service-orders/claim"): _at_counter(_START, amount_fen=100),
    ("POST", "/service-orders/dispute"): _at_counter(_START, _BILL),
    ("POST", "/service-orders/resolve"): _at_counter(
        _START, _BILL, ("dispute", {}), amount_fen=50
    ),
    ("POST", "/service-orders/payment"): _at_counter(_START, _BILL),
}

"""Complaints, and what citizens read about merchants, for requests that work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg

from app.kernel.ids import new_id
from tests.contract.merchants import REASON, other_operator
from tests.contract.orders import Made
from tests.contract.world import Party, World, claim, sent
from tests.redemptions.builders import API

DAY = "2026-06-30"


def redeemed(world: World, party: Party) -> str:
    """A voucher that the party's citizen redeemed at the party's shop."""
    voucher_id = claim(world.client, party.citizen, world.benefit_code)
    path = f"{API}/me/vouchers/{voucher_id}/code"
    shown = world.client.get(path, headers=party.citizen.headers).get_json()
    body = {
        "redemption_id": str(new_id()), "shop_id": str(party.shop_id), "code": shown["code"],
    }
    sent(world.client, "/redemptions", body, party.clerk.headers)
    return str(voucher_id)


def complaint(world: World, party: Party) -> dict[str, Any]:
    return {
        "complaint_id": str(new_id()), "voucher_id": redeemed(world, party),
        "category": "refused", "text": "店员说今天不收", "text_shared": True,
    }


def complained(world: World, party: Party, *, days_over: int = 0) -> str:
    """A complaint of the party's citizen, due so many days ago."""
    body = complaint(world, party)
    sent(world.client, "/me/complaints", body, party.citizen.headers)
    if days_over:
        web_url = world.app.extensions["card_settings"].database_url
        with psycopg.connect(web_url.replace("card_web", "card_migrate")) as owner:
            owner.execute(
                "UPDATE complaints SET due_on = due_on - 30 WHERE complaint_id = %s",
                (body["complaint_id"],),
            )
    return str(body["complaint_id"])


def _of_ours(body: dict[str, Any] | None) -> Callable[[World], Made]:
    return lambda world: (body, {"complaint_id": complained(world, world.ours)}, {})


def _escalated(body: dict[str, Any]) -> Callable[[World], Made]:
    return lambda world: (
        body, {"complaint_id": complained(world, world.ours, days_over=30)}, {}
    )


def _page(world: World) -> Made:
    return None, {}, {"limit": 2, "before": complained(world, world.ours)}


def _entry(world: World) -> dict[str, Any]:
    return {
        "entry_id": str(new_id()), "merchant_id": str(world.theirs.merchant_id),
        "kind": "penalty", "grade": "minor", "title": "未明码标价",
        "document_number": "金市监罚〔2026〕1号", "authority": "市场监督管理局",
        "legal_basis": "《价格法》第四十二条", "issued_on": DAY, "published_from": DAY,
        "published_to": date(2026, 7, 31).isoformat(), **REASON,
    }


def _entered(**more: str) -> Callable[[World], Made]:
    def make(world: World) -> Made:
        body = _entry(world)
        sent(world.client, "/merchant-entries", body, other_operator(world))
        return {**REASON, **more}, {"entry_id": body["entry_id"]}, {}

    return make


def _search(_: World) -> Made:
    point = {"latitude_e6": 29_078_000, "longitude_e6": 119_647_000}
    return None, {}, {"words": "门", "category": "other", "within_metres": 1_000, **point}


COMPLAINTS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/me/complaints"): lambda world: (complaint(world, world.ours), {}, {}),
    ("GET", "/me/complaints"): _page,
    ("GET", "/merchant/complaints"): _page,
    ("POST", "/merchant/complaints/<uuid:complaint_id>/text"): _of_ours(None),
    ("POST", "/merchant/complaints/<uuid:complaint_id>/answer"): _of_ours({"text": "已处理"}),
    ("GET", "/complaints"): _page,
    ("POST", "/complaints/<uuid:complaint_id>/text"): _escalated(REASON),
    ("POST", "/complaints/<uuid:complaint_id>/decision"): _escalated(
        {"outcome": "upheld", **REASON}
    ),
    ("GET", "/public/merchants"): _search,
    ("GET", "/public/merchants/<uuid:merchant_id>"): lambda world: (
        None, {"merchant_id": str(world.ours.merchant_id)}, {}
    ),
    ("POST", "/merchant-entries"): lambda world: (_entry(world), {}, {}),
    ("GET", "/merchant-entries"): lambda world: (
        None, {}, {"merchant_id": str(world.ours.merchant_id), "limit": 2}
    ),
    ("POST", "/merchant-entries/<uuid:entry_id>/confirmation"): _entered(),
    ("POST", "/merchant-entries/<uuid:entry_id>/ending"): _entered(cause="repaired"),
}

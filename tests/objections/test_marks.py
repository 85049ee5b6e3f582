"""R15: what is objected to is marked wherever it is listed, until it is decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.redemptions.builders import (
    API,
    Citizen,
    make_citizen,
    make_clerk,
    publish_benefit,
    staff_headers,
)
from tests.repairs.town import make_town
from tests.service_orders.shop import make_shop


def done(answer: Any) -> Any:
    assert answer.status_code < 300, answer.get_json()
    return answer.get_json()


def objected(client: FlaskClient, holder: Citizen, **about: str) -> str:
    body = {"objection_id": str(new_id()), "reason": "other", "words": "与事实不符", **about}
    done(client.post(f"{API}/me/objections", json=body, headers=holder.headers))
    return body["objection_id"]


def decided(app: Flask, objection_id: str) -> None:
    body = {"outcome": "upheld", "remedy": "other", "reasons": "经核对"}
    path = f"{API}/objections/{objection_id}/decision"
    done(app.test_client().post(path, json=body, headers=staff_headers(app, Role.OPERATOR)))


def test_r15_an_order_is_marked_for_its_holder_and_its_merchant(app: Flask) -> None:
    shop = make_shop(app)
    order_id, other_id = shop.started(), shop.started()

    def marks() -> list[Any]:
        """Of the one order and the other: on its own, in the holder's list, in the merchant's."""
        path = f"{API}/service-orders?shop_id={shop.clerk.shop_id}"
        seen = done(shop.client.get(path, headers=shop.clerk.headers))["orders"]
        own = done(shop.own("GET"))["orders"]
        lists = [{one["order_id"]: one["is_disputed"] for one in each} for each in (own, seen)]
        alone = {one: done(shop.own("GET", f"/{one}"))["is_disputed"] for one in lists[0]}
        return [(each[order_id], each[other_id]) for each in (alone, *lists)]

    assert marks() == [(False, False)] * 3
    objection_id = objected(shop.client, shop.holder, kind="order", item_id=order_id)
    assert marks() == [(True, False)] * 3
    decided(app, objection_id)
    assert marks() == [(False, False)] * 3


def test_r15_a_redeemed_voucher_is_marked_in_the_holders_list(app: Flask) -> None:
    client, benefit = app.test_client(), publish_benefit(app)
    holder, clerk = make_citizen(app), make_clerk(app, takes=(benefit,))
    first, second = (holder.claimed(client, benefit) for _ in range(2))
    for voucher_id in (first, second):
        code = holder.voucher_code(client, voucher_id)
        assert clerk.redeem(client, code=code).status_code == 200

    def marked() -> set[str]:
        found = done(client.get(f"{API}/me/vouchers", headers=holder.headers))["vouchers"]
        assert len(found) == 2
        return {one["voucher_id"] for one in found if one["is_disputed"]}

    assert marked() == set()
    objection_id = objected(client, holder, kind="redemption", item_id=str(first))
    assert marked() == {str(first)}
    decided(app, objection_id)
    assert marked() == set()


def test_r15_an_adverse_record_is_marked(app: Flask) -> None:
    town = make_town(app)
    for number in ("F-1", "F-2"):
        town.deliver(number, town.today - timedelta(days=400))

    def marked() -> dict[str, bool]:
        found = town.ask(town.holder.headers, "GET", "/me/adverse-records")[1]["records"]
        return {one["record_number"]: one["is_disputed"] for one in found}

    assert marked() == {"F-1": False, "F-2": False}
    objected(
        town.client, town.holder, kind="record", record_type="faults", record_number="F-2"
    )
    assert marked() == {"F-1": False, "F-2": True}


def test_r12_r15_a_rejected_repair_is_looked_at_by_somebody_else(app: Flask) -> None:
    town = make_town(app)
    town.deliver("F-1", town.today - timedelta(days=400))
    application_id = str(new_id())
    assert town.request("F-1", application_id=application_id)[0] == 201
    about = {"kind": "repair", "item_id": application_id}
    body = {"objection_id": str(new_id()), "reason": "other", "words": "材料齐全", **about}

    def file() -> tuple[int, Any]:
        return town.ask(town.holder.headers, "POST", "/me/objections", body)

    def marked() -> bool:
        (found,) = town.ask(town.holder.headers, "GET", "/me/repairs")[1]["repairs"]
        return bool(found["line"]["is_disputed"])

    assert file() == (404, "objection_item_unknown")  # nobody has rejected it
    said = {"outcome": "rejected", "reasons": "材料不足"}
    path = f"/repairs/{application_id}/decision"
    assert town.ask(town.operator, "POST", path, said)[0] == 200
    assert marked() is False
    status, made = file()
    assert (status, made["machine_result"]["record_number"], marked()) == (201, "F-1", True)
    upheld = {"outcome": "upheld", "remedy": "other", "reasons": "重新受理"}
    decision = f"/objections/{body['objection_id']}/decision"
    assert town.ask(town.operator, "POST", decision, upheld) == (403, "other_person_needed")
    decided(app, body["objection_id"])
    assert marked() is False
    assert town.request("F-1")[0] == 201  # anew

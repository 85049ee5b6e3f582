"""Staff scan where they work and nowhere else; a suspension holds at once."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.members.operations import disable_staff
from app.merchants import operations, refusals
from app.merchants.queries import require_scan_permit
from app.web.auth import Role
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Clerk,
    made_up_credit_code,
    make_clerk,
    make_merchant,
    make_staff,
    staff_headers,
)

API = "/api/v1"


@pytest.fixture
def operator(app: Flask) -> Any:
    return staff_headers(app, Role.OPERATOR)


def permit(clerk: Clerk) -> str:
    found = require_scan_permit(
        staff_id=clerk.staff_id, session_id=clerk.session_id, shop_id=clerk.shop_id
    )
    assert found.merchant_id == clerk.merchant_id
    return found.shop_name


def test_what_cannot_be_made(app: Flask, client: FlaskClient, operator: Any) -> None:
    code, merchant_id = made_up_credit_code(), new_id()
    make = partial(operations.register_merchant, merchant_id=merchant_id, name="店")
    assert make(credit_code=code) == make(credit_code=code)
    with pytest.raises(IdReused):
        make(credit_code=code, name="别的店")
    with pytest.raises(refusals.MerchantExists):
        make(credit_code=code, merchant_id=new_id())
    with pytest.raises(refusals.MerchantUnknown):
        operations.open_shop(shop_id=new_id(), merchant_id=new_id(), name="店")
    assign = partial(operations.assign_staff, staff_id=new_id(), role="clerk")
    with pytest.raises(refusals.ShopUnknown):
        assign(merchant_id=merchant_id, shop_id=new_id())
    with pytest.raises(refusals.MerchantUnknown):
        assign(merchant_id=new_id())
    body = {
        "suspension_id": str(new_id()), "merchant_id": str(new_id()), "reason": "接到举报，待核查",
    }
    answer = client.post(f"{API}/merchant-suspensions", json=body, headers=operator)
    assert outcome(answer) == (404, "merchant_unknown")


def test_s61_no_route_makes_a_merchant_without_an_application(app: Flask) -> None:
    made_alone = {"/merchants", "/shops", "/staff-assignments"}
    assert not made_alone & {rule.rule.removeprefix(API) for rule in app.url_map.iter_rules()}


def test_a_shop_id_names_one_shop(app: Flask) -> None:
    shop_id, merchant = new_id(), make_merchant(app)
    operations.open_shop(shop_id=shop_id, merchant_id=merchant, name="一店")
    with pytest.raises(IdReused):
        operations.open_shop(shop_id=shop_id, merchant_id=make_merchant(app), name="一店")


def test_a_clerk_scans_in_the_own_shop_alone(app: Flask) -> None:
    clerk = make_clerk(app)
    assert permit(clerk)
    neighbour = make_clerk(app, merchant_id=clerk.merchant_id)
    with pytest.raises(refusals.WrongShop):
        permit(Clerk(clerk.staff_id, clerk.session_id, clerk.merchant_id, neighbour.shop_id, {}))


def test_a_clerk_of_all_shops_scans_in_each(app: Flask, client: FlaskClient) -> None:
    clerk = make_clerk(app)
    neighbour = make_clerk(app, merchant_id=clerk.merchant_id)
    operations.assign_staff(
        staff_id=clerk.staff_id, merchant_id=clerk.merchant_id, role="clerk"
    )
    for shop_id in (clerk.shop_id, neighbour.shop_id):
        assert permit(Clerk(clerk.staff_id, clerk.session_id, clerk.merchant_id, shop_id, {}))
    shops = client.get(f"{API}/merchant/shops", headers=clerk.headers).get_json()["shops"]
    assert len(shops) == 2
    shops = client.get(f"{API}/merchant/shops", headers=neighbour.headers).get_json()["shops"]
    assert [shop["shop_id"] for shop in shops] == [str(neighbour.shop_id)]


def test_suspension_ending_and_disabling_hold_at_once(
    app: Flask, client: FlaskClient, operator: Any
) -> None:
    clerk = make_clerk(app)
    reason = {"reason": "接到举报，待核查"}
    body = {"suspension_id": str(new_id()), "merchant_id": str(clerk.merchant_id), **reason}
    client.post(f"{API}/merchant-suspensions", json=body, headers=operator)
    with pytest.raises(refusals.MerchantSuspended):
        permit(clerk)
    for one in (operator, staff_headers(app, Role.OPERATOR)):
        path = f"{API}/merchant-suspensions/{body['suspension_id']}/lifting"
        assert client.post(path, json=reason, headers=one).status_code == 200
    assert permit(clerk)
    operations.assign_staff(
        staff_id=clerk.staff_id, merchant_id=clerk.merchant_id, role="clerk", active=False
    )
    with pytest.raises(refusals.NotMerchantStaff):
        permit(clerk)
    operations.assign_staff(
        staff_id=clerk.staff_id, merchant_id=clerk.merchant_id, role="clerk"
    )
    disable_staff(staff_id=clerk.staff_id)
    with pytest.raises(Exception, match="unauthenticated"):
        permit(clerk)


def test_an_account_works_for_one_merchant_in_one_role(app: Flask) -> None:
    clerk = make_clerk(app)
    for merchant, role in ((make_merchant(app), "clerk"), (clerk.merchant_id, "merchant_owner")):
        with pytest.raises(refusals.StaffAssigned):
            operations.assign_staff(staff_id=clerk.staff_id, merchant_id=merchant, role=role)


def test_an_owner_sees_the_own_staff(app: Flask, client: FlaskClient) -> None:
    clerk, stranger = make_clerk(app), make_clerk(app)
    owner_id, _ = make_staff(app, Role.MERCHANT_OWNER)
    assert [one.staff_id for one in list_staff(app, clerk, owner_id)] == [clerk.staff_id, owner_id]
    headers = staff_headers(app, Role.MERCHANT_OWNER)
    refused = client.get(f"{API}/merchant/staff", headers=headers)
    assert outcome(refused) == (403, "not_merchant_staff")
    with pytest.raises(refusals.NotMerchantStaff):
        operations.list_own_clerks(owner_id=stranger.staff_id)


def list_staff(app: Flask, clerk: Clerk, owner_id: Any) -> list[operations.Assignment]:
    operations.assign_staff(
        staff_id=owner_id, merchant_id=clerk.merchant_id, role="merchant_owner"
    )
    found = operations.list_own_clerks(owner_id=owner_id)
    return sorted(found, key=lambda one: one.role)

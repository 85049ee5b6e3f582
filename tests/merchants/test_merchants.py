"""Operators register merchants; staff scan where they work and nowhere else."""

from __future__ import annotations

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


def test_a_merchant_a_shop_and_a_clerk(app: Flask, client: FlaskClient, operator: Any) -> None:
    merchant = {
        "merchant_id": str(new_id()), "credit_code": made_up_credit_code(), "name": "婺州影城",
    }
    for _ in range(2):
        made = client.post(f"{API}/merchants", json=merchant, headers=operator)
        assert made.status_code == 201, made.get_json()
        assert made.get_json() == {**merchant, "suspended": False}
    shop = {
        "shop_id": str(new_id()), "merchant_id": merchant["merchant_id"], "name": "江北店"
    }
    for _ in range(2):
        opened = client.post(f"{API}/shops", json=shop, headers=operator)
        assert (opened.status_code, opened.get_json()) == (201, shop)
    staff_id, _ = make_staff(app, Role.CLERK)
    assignment = {
        "staff_id": str(staff_id), "merchant_id": merchant["merchant_id"],
        "shop_id": shop["shop_id"], "role": "clerk",
    }
    assigned = client.post(f"{API}/staff-assignments", json=assignment, headers=operator)
    assert (assigned.status_code, assigned.get_json()) == (200, {**assignment, "active": True})


def test_what_an_operator_cannot_register(
    app: Flask, client: FlaskClient, operator: Any
) -> None:
    code = made_up_credit_code()
    merchant_id = new_id()
    body = {"merchant_id": str(merchant_id), "credit_code": code, "name": "店"}
    client.post(f"{API}/merchants", json=body, headers=operator)
    cases: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
        ("merchants", {**body, "name": "别的店"}, (422, "id_reused")),
        ("merchants", {**body, "merchant_id": str(new_id())}, (409, "merchant_exists")),
        ("merchants", {**body, "credit_code": "9" * 18}, (422, "credit_code_invalid")),
        ("merchants", {**body, "owner": "x"}, (422, "invalid_request")),
        (
            "shops", {"shop_id": str(new_id()), "merchant_id": str(new_id()), "name": "店"},
            (404, "merchant_unknown"),
        ),
        (
            "staff-assignments",
            {
                "staff_id": str(new_id()), "merchant_id": str(merchant_id), "role": "clerk",
                "shop_id": str(new_id()),
            },
            (404, "shop_unknown"),
        ),
        (
            "staff-assignments",
            {"staff_id": str(new_id()), "merchant_id": str(new_id()), "role": "clerk"},
            (404, "merchant_unknown"),
        ),
        (
            "merchant-suspensions",
            {
                "suspension_id": str(new_id()), "merchant_id": str(new_id()),
                "reason": "接到举报，待核查",
            },
            (404, "merchant_unknown"),
        ),
    ]  # fmt: skip
    for path, wrong, refusal in cases:
        response = client.post(f"{API}/{path}", json=wrong, headers=operator)
        assert outcome(response) == refusal


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

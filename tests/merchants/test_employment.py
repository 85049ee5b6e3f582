"""From an application to the first redemption; staff come by one-time code and go at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.merchants.employment import prune_invitations
from app.web.auth import Role
from tests.merchants.applying import REASON, Applicant
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API, make_citizen, publish_benefit, staff_headers

PASSWORD = "a long pass phrase 7"


def accept(client: FlaskClient, code: str, username: str) -> Any:
    body = {"code": code, "username": username, "password": PASSWORD}
    return client.post(f"{API}/staff-invitations/acceptance", json=body)


def signed_in(client: FlaskClient, code: str, username: str) -> dict[str, str]:
    """A new account, and what it sends."""
    made = accept(client, code, username).get_json()
    totp = pyotp.parse_uri(made["totp_uri"]).now()  # type: ignore[attr-defined]
    body = {"username": username, "password": PASSWORD, "totp": totp}
    tokens = client.post(f"{API}/sign-in/staff", json=body).get_json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture
def operators(app: Flask) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return staff_headers(app, Role.OPERATOR), staff_headers(app, Role.OPERATOR)


def invited(client: FlaskClient, owner: Mapping[str, str], **facts: Any) -> str:
    body = {"role": "clerk", "display_name": "一号窗口", **facts}
    answer = client.post(f"{API}/merchant/staff-invitations", json=body, headers=owner)
    assert answer.status_code == 201, answer.get_json()
    return str(answer.get_json()["code"])


def test_from_an_application_to_the_first_redemption(
    app: Flask, client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    benefit = publish_benefit(app)
    applicant = Applicant(client, benefit_codes=[benefit])
    merchant_id = applicant.approved_by(*operators)
    client.post(
        f"{API}/benefit-merchants", headers=operators[0],
        json={"benefit_code": benefit, "merchant_id": merchant_id},
    )
    owner = signed_in(client, applicant.owner_code(), "owner.wang")
    (shop,) = client.get(f"{API}/merchant/shops", headers=owner).get_json()["shops"]
    assert shop["name"] == "江北店"
    code = invited(client, owner, shop_id=shop["shop_id"])
    clerk = signed_in(client, code, "clerk.li")
    citizen = make_citizen(app)
    shown = citizen.voucher_code(client, citizen.claimed(client, benefit))
    scan = {"redemption_id": str(new_id()), "shop_id": shop["shop_id"], "code": shown}
    done = client.post(f"{API}/redemptions", json=scan, headers=clerk)
    assert done.status_code == 200, done.get_json()
    assert done.get_json()["shop_name"] == "江北店"


def test_an_owner_opens_shops_and_moves_people(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    applicant = Applicant(client)
    applicant.approved_by(*operators)
    owner = signed_in(client, applicant.owner_code(), "owner.wang")
    place = {"shop_id": str(new_id()), "name": "江南店", "latitude_e6": 1, "longitude_e6": 2}
    for _ in range(2):
        made = client.post(f"{API}/merchant/shops", json=place, headers=owner)
        assert made.status_code == 201, made.get_json()
    changed = client.post(f"{API}/merchant/shops", json={**place, "name": "x"}, headers=owner)
    assert outcome(changed) == (422, "id_reused")
    clerk = signed_in(client, invited(client, owner), "clerk.li")
    assert len(client.get(f"{API}/merchant/shops", headers=clerk).get_json()["shops"]) == 2
    staff = client.get(f"{API}/merchant/staff", headers=owner).get_json()["staff"]
    (clerk_id,) = [one["staff_id"] for one in staff if one["role"] == "clerk"]
    moved = client.post(
        f"{API}/merchant/staff/{clerk_id}/move", json={"shop_id": place["shop_id"]}, headers=owner
    )
    assert moved.get_json()["shop_id"] == place["shop_id"]
    (shop,) = client.get(f"{API}/merchant/shops", headers=clerk).get_json()["shops"]
    assert shop["name"] == "江南店"
    ended = client.post(f"{API}/merchant/staff/{clerk_id}/end", headers=owner)
    assert ended.get_json()["active"] is False
    gone = client.get(f"{API}/merchant/shops", headers=clerk)
    assert outcome(gone) == (401, "unauthenticated")  # the next request, not the next sign-in
    again = client.post(f"{API}/merchant/staff/{clerk_id}/end", headers=owner)
    assert outcome(again) == (404, "merchant_staff_unknown")


def test_nobody_ends_the_own_account(client: FlaskClient, operators: tuple[Any, Any]) -> None:
    applicant = Applicant(client)
    applicant.approved_by(*operators)
    owner = signed_in(client, applicant.owner_code(), "owner.wang")
    (me,) = client.get(f"{API}/merchant/staff", headers=owner).get_json()["staff"]
    refused = client.post(f"{API}/merchant/staff/{me['staff_id']}/end", headers=owner)
    assert outcome(refused) == (409, "own_account")


def test_a_code_opens_one_account(client: FlaskClient, operators: tuple[Any, Any]) -> None:
    applicant = Applicant(client)
    applicant.approved_by(*operators)
    first, second = applicant.owner_code(), applicant.owner_code()
    assert accept(client, first, "owner.wang").status_code == 201
    for code in (first, second, "x" * 22):
        assert outcome(accept(client, code, "owner.li")) == (404, "staff_invitation_unknown")
    asked = applicant.post("/merchant-applications/owner-invitation", applicant.ticket)
    assert outcome(asked) == (404, "staff_invitation_unknown")


def test_a_code_is_over_after_three_days_and_pruned(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    applicant = Applicant(client)
    applicant.approved_by(*(staff_headers(committing_app, Role.OPERATOR) for _ in range(2)))
    code = applicant.owner_code()
    admin.execute("UPDATE merchant_invitations SET expires_at = now() - interval '1 second'")
    assert outcome(accept(client, code, "owner.wang")) == (404, "staff_invitation_unknown")
    with job_app.app_context():
        assert prune_invitations() == 1


def test_s61_a_suspension_holds_at_once_and_is_lifted_by_two(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    applicant = Applicant(client)
    merchant_id = UUID(applicant.approved_by(*operators))
    owner = signed_in(client, applicant.owner_code(), "owner.wang")
    body = {"suspension_id": str(new_id()), "merchant_id": str(merchant_id), **REASON}
    for _ in range(2):
        made = client.post(f"{API}/merchant-suspensions", json=body, headers=operators[0])
        assert made.get_json()["ended_at"] is None
    (told,) = client.get(f"{API}/merchant/suspensions", headers=owner).get_json()["suspensions"]
    assert told["reason"] == REASON["reason"]
    path = f"{API}/merchant-suspensions/{body['suspension_id']}/lifting"
    proposed = client.post(path, json=REASON, headers=operators[0]).get_json()
    assert (proposed["ending_proposed"], proposed["ended_at"]) == (True, None)
    alone = client.post(path, json=REASON, headers=operators[0])
    assert outcome(alone) == (403, "second_person_needed")
    assert client.post(path, json=REASON, headers=operators[1]).get_json()["ended_at"]
    assert outcome(client.post(path, json=REASON, headers=operators[1])) == (
        409, "suspension_ended",
    )

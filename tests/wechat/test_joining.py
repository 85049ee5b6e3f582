"""Joining by WeChat: who may, who already is, and that nothing stays behind of who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.clock import city_date, now
from app.kernel.database import reading, transaction
from app.members import operations, queries
from app.wechat.tickets import TICKET_LIFE, seal_ticket
from tests.members.api import (
    bearer,
    claims_of,
    join,
    join_body,
    keys_of,
    made_up_person,
    staff_tokens,
)
from tests.members.people import made_up_id_number, made_up_member
from wechat_integration.sandbox.control import SandboxControl

CITIZEN_TABLES = (
    "citizens", "citizen_keys", "citizen_profiles", "citizen_lookup", "wechat_identities",
    "consents", "citizen_sessions", "trail_entries",
)


def rows() -> int:
    with reading() as session:
        return sum(
            session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in CITIZEN_TABLES
        )


def test_d6_somebody_joins_and_sees_a_masked_profile(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    person = made_up_person(sandbox)
    joined = join(client, sandbox, person)
    assert joined.status_code == 201
    me = client.get("/api/v1/me", headers=bearer(joined.get_json()["access_token"])).get_json()
    assert me["name"] == "方**"
    assert me["id_number"] == f"{person.id_number[:6]}********{person.id_number[-4:]}"
    assert me["phone"] == f"{person.phone[:3]}****{person.phone[-4:]}"
    assert [c["purpose"] for c in me["consents"]] == ["membership"]
    assert me["joined_on"] == city_date(now()).isoformat()


def test_a_member_signs_in_again_without_joining(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    person = made_up_person(sandbox)
    assert join(client, sandbox, person).status_code == 201
    code = sandbox.issue_login_code(openid=person.openid)
    response = client.post("/api/v1/sign-in/wechat", json={"code": code})
    assert response.status_code == 200
    assert response.get_json()["join_ticket"] is None
    token = response.get_json()["tokens"]["access_token"]
    assert client.get("/api/v1/me", headers=bearer(token)).status_code == 200


def test_r1_signing_in_leaves_no_row_of_a_stranger(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    before = rows()
    code = sandbox.issue_login_code(openid="o-stranger")
    response = client.post("/api/v1/sign-in/wechat", json={"code": code})
    assert response.get_json()["tokens"] is None
    assert rows() == before


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda b: {"id_number": b["id_number"][:-1] + "?"}, 422, "id_number_invalid"),
        (
            lambda b: {"id_number": b["id_number"][:-1] + str((int("0x" + b["id_number"][-1], 16)
                        + 1) % 10 if b["id_number"][-1] != "X" else 1)},
            422, "id_number_invalid",
        ),
        (lambda _: {"id_number": "330702200102301234"}, 422, "id_number_invalid"),
        (lambda _: {"name": "张三"}, 422, "real_name_mismatch"),
        (lambda _: {"name": "  "}, 422, "name_invalid"),
        (lambda _: {"consents": [{"purpose": "loan", "text_version": 1}]}, 403, "consent_missing"),
        (
            lambda _: {"consents": [{"purpose": "membership", "text_version": 2}]},
            403, "consent_stale",
        ),
        (
            lambda b: {"consents": [*b["consents"], {"purpose": "x", "text_version": 1}]},
            422, "consent_unknown",
        ),
        (lambda b: {"consents": b["consents"] * 2}, 422, "consent_unknown"),
        (lambda _: {"phone_code": "never-issued"}, 422, "wechat_code_invalid"),
        (lambda b: {"ticket": b["ticket"][:-2] + "AA"}, 401, "join_ticket_refused"),
        (lambda _: {"ticket": "ticket"}, 401, "join_ticket_refused"),
        (lambda _: {"role": "operator"}, 422, "invalid_request"),
    ],
)
def test_r1_who_may_not_join_leaves_nothing(
    client: FlaskClient,
    sandbox: SandboxControl,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    status: int,
    code: str,
) -> None:
    before = rows()
    body = join_body(client, sandbox, made_up_person(sandbox))
    response = client.post("/api/v1/join", json={**body, **change(body)})
    assert (response.status_code, response.get_json()["code"]) == (status, code)
    assert rows() == before


def test_r2_a_stale_consent_names_the_current_texts(app: Flask, sandbox: SandboxControl) -> None:
    client = app.test_client()
    body = join_body(client, sandbox, made_up_person(sandbox))
    version = operations.publish_text(
        purpose="membership", receiver="市民诚信卡平台", required=True, sensitive=False,
        title="加入", body="新条款",
    )
    response = client.post("/api/v1/join", json=body)
    assert (response.status_code, response.get_json()["code"]) == (403, "consent_stale")
    assert response.get_json()["current"]["membership"] == version == 2
    body["consents"] = [{"purpose": "membership", "text_version": 2}]
    body["phone_code"] = sandbox.issue_phone_code(phone="13800000000")
    assert client.post("/api/v1/join", json=body).status_code == 201


def born_years_ago(years: int, *, days_later: int = 0) -> date:
    today = city_date(now()) + timedelta(days=days_later)
    return today.replace(year=today.year - years)


def test_r10_the_eighteenth_birthday_is_old_enough(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    number = made_up_id_number(born_years_ago(18))
    person = made_up_person(sandbox, id_number=number)
    assert join(client, sandbox, person).status_code == 201


def test_r10_the_day_before_is_too_early(client: FlaskClient, sandbox: SandboxControl) -> None:
    number = made_up_id_number(born_years_ago(18, days_later=1))
    person = made_up_person(sandbox, id_number=number)
    refused = join(client, sandbox, person)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "under_age")


def test_somebody_of_the_register_becomes_the_citizen_they_are(
    app: Flask, sandbox: SandboxControl
) -> None:
    client, keys, member = app.test_client(), keys_of(app), made_up_member()
    with transaction():
        citizen_id = operations.register_member(
            keys=keys, name=member.name, id_number=member.id_number, phone=member.phone,
            joined_on=member.joined_on,
        )
    person = made_up_person(
        sandbox, name=member.name, id_number=member.id_number, phone="13911112222"
    )
    spelled = member.id_number.translate(str.maketrans("0123456789X", "０１２３４５６７８９ｘ"))
    joined = join(client, sandbox, person, id_number=f" {spelled} ")
    assert joined.status_code == 201
    me = client.get("/api/v1/me", headers=bearer(joined.get_json()["access_token"])).get_json()
    assert me["citizen_id"] == str(citizen_id)
    assert me["joined_on"] == member.joined_on.isoformat()
    assert me["phone"] == "139****2222"
    found = queries.find_citizens_by_id_numbers(keys=keys, id_numbers=[member.id_number])
    assert found[member.id_number].citizen_id == citizen_id


def test_another_name_in_the_register_is_refused(app: Flask, sandbox: SandboxControl) -> None:
    client, member = app.test_client(), made_up_member()
    with transaction():
        operations.register_member(
            keys=keys_of(app), name="方志元", id_number=member.id_number, phone=None,
            joined_on=member.joined_on,
        )
    person = made_up_person(sandbox, name="方志远", id_number=member.id_number)
    refused = join(client, sandbox, person)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "member_name_mismatch")


def test_a_member_cannot_be_taken_over_from_another_wechat(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    person = made_up_person(sandbox)
    assert join(client, sandbox, person).status_code == 201
    thief = made_up_person(sandbox, name=person.name, id_number=person.id_number)
    refused = join(client, sandbox, thief)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "member_bound_elsewhere")


def test_one_wechat_account_is_one_member(client: FlaskClient, sandbox: SandboxControl) -> None:
    person = made_up_person(sandbox)
    body = join_body(client, sandbox, made_up_person(sandbox, openid=person.openid))
    assert join(client, sandbox, person).status_code == 201
    refused = client.post("/api/v1/join", json=body)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "wechat_bound_elsewhere")


def test_r2_the_consent_row_proves_the_text(
    app: Flask, sandbox: SandboxControl
) -> None:
    client, person = app.test_client(), made_up_person(sandbox)
    consents = [{"purpose": p, "text_version": 1} for p in ("membership", "transit_location")]
    joined = join(client, sandbox, person, consents=consents)
    assert joined.status_code == 201
    with reading() as session:
        stored = session.execute(
            text("SELECT c.purpose, c.channel, c.text_hash = t.text_hash AS same,"
                 " t.text_hash = sha256(convert_to(t.title || chr(10) || t.body, 'UTF8')) AS sound"
                 " FROM consents c JOIN consent_texts t"
                 " ON t.purpose = c.purpose AND t.version = c.text_version")
        ).all()
    assert sorted((row.purpose, row.channel, row.same, row.sound) for row in stored) == [
        ("membership", "wechat", True, True), ("transit_location", "wechat", True, True)
    ]


def test_the_ticket_dies_after_15_minutes(app: Flask, sandbox: SandboxControl) -> None:
    client, person = app.test_client(), made_up_person(sandbox)
    body = join_body(client, sandbox, person)
    moment = queries.database_now()
    for age, status in ((TICKET_LIFE + timedelta(seconds=2), 401), (timedelta(minutes=14), 201)):
        ticket = seal_ticket(keys=keys_of(app), openid=person.openid, now=moment - age)
        response = client.post("/api/v1/join", json={**body, "ticket": ticket})
        assert response.status_code == status


def test_a_lost_wechat_account_is_taken_off_at_the_counter(
    app: Flask, sandbox: SandboxControl
) -> None:
    client, person = app.test_client(), made_up_person(sandbox)
    lost = join(client, sandbox, person).get_json()
    operator = bearer(staff_tokens(app, client)["access_token"])
    citizen_id = claims_of(lost["access_token"])["sub"]
    body = {"citizen_id": citizen_id, "reason": "手机遗失，本人持身份证到窗口"}
    answer = client.post("/api/v1/members/unbind-wechat", json=body, headers=operator)
    assert answer.status_code == 204
    assert client.get("/api/v1/me", headers=bearer(lost["access_token"])).status_code == 401
    again = client.post("/api/v1/members/unbind-wechat", json=body, headers=operator)
    assert (again.status_code, again.get_json()["code"]) == (409, "wechat_not_bound")
    code = sandbox.issue_login_code(openid=person.openid)
    stranger = client.post("/api/v1/sign-in/wechat", json={"code": code}).get_json()
    assert stranger["tokens"] is None
    fresh = made_up_person(sandbox, name=person.name, id_number=person.id_number)
    joined = join(client, sandbox, fresh)
    assert joined.status_code == 201
    assert claims_of(joined.get_json()["access_token"])["sub"] == citizen_id
    trail = client.get("/api/v1/me/trail", headers=bearer(joined.get_json()["access_token"]))
    assert [line["action"] for line in trail.get_json()["lines"]] == [
        "joined", "wechat_unbound", "joined"
    ]

"""WeChat and the real-name service refuse, hang or talk nonsense: new sign-ins are told when to
come back, everybody else goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading
from tests.members.api import bearer, join, join_body, made_up_person
from wechat_integration.sandbox.control import FaultKind, SandboxControl

LOGIN_PATH = "/sns/jscode2session"
PHONE_PATH = "/wxa/business/getuserphonenumber"
REAL_NAME_PATH = "/realname/check"
FAULTS = [FaultKind.DOWN, FaultKind.UNAVAILABLE, FaultKind.HANG, FaultKind.GARBAGE,
          FaultKind.BUSY, FaultKind.REDIRECT, FaultKind.DRIP]  # fmt: skip


def post(client: FlaskClient, path: str, body: dict[str, Any]) -> tuple[Any, float]:
    started = time.monotonic()
    answer = client.post(path, json=body)
    return answer, time.monotonic() - started


@pytest.mark.parametrize("kind", FAULTS)
def test_new_sign_ins_are_told_to_come_back_within_3_seconds(
    client: FlaskClient, sandbox: SandboxControl, kind: FaultKind
) -> None:
    code = sandbox.issue_login_code(openid="o-new")
    sandbox.add_fault(kind=kind, path=LOGIN_PATH, seconds=10)
    answer, seconds = post(client, "/api/v1/sign-in/wechat", {"code": code})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "wechat_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert seconds < 3


@pytest.mark.parametrize("kind", [FaultKind.DOWN, FaultKind.HANG, FaultKind.GARBAGE])
@pytest.mark.parametrize(
    ("path", "code"),
    [(REAL_NAME_PATH, "real_name_unavailable"), (PHONE_PATH, "wechat_unavailable")],
)
def test_a_join_that_cannot_be_checked_leaves_nothing(
    client: FlaskClient, sandbox: SandboxControl, kind: FaultKind, path: str, code: str
) -> None:
    body = join_body(client, sandbox, made_up_person(sandbox))
    sandbox.add_fault(kind=kind, path=path, seconds=10)
    answer, seconds = post(client, "/api/v1/join", body)
    assert (answer.status_code, answer.get_json()["code"]) == (503, code)
    assert "Retry-After" in answer.headers
    assert seconds < 3.5
    with reading() as session:
        assert session.execute(text("SELECT count(*) FROM citizens")).scalar_one() == 0
    sandbox.clear_faults()
    body["phone_code"] = sandbox.issue_phone_code(phone="13800000000")
    assert client.post("/api/v1/join", json=body).status_code == 201


def test_who_is_signed_in_goes_on(client: FlaskClient, sandbox: SandboxControl) -> None:
    tokens = join(client, sandbox, made_up_person(sandbox)).get_json()
    sandbox.add_fault(kind=FaultKind.DOWN)
    refreshed = client.post("/api/v1/tokens/refresh", headers=bearer(tokens["refresh_token"]))
    assert refreshed.status_code == 200
    me = bearer(refreshed.get_json()["access_token"])
    assert client.get("/api/v1/me", headers=me).status_code == 200
    assert client.post("/api/v1/sign-out", headers=me).status_code == 204


def test_s16_a_code_is_good_for_one_use_and_five_minutes(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    code = sandbox.issue_login_code(openid="o-once")
    assert client.post("/api/v1/sign-in/wechat", json={"code": code}).status_code == 200
    replayed = client.post("/api/v1/sign-in/wechat", json={"code": code})
    assert (replayed.status_code, replayed.get_json()["code"]) == (409, "wechat_code_used")
    late = sandbox.issue_login_code(openid="o-late")
    sandbox.advance_clock(seconds=301)
    answer = client.post("/api/v1/sign-in/wechat", json={"code": late})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "wechat_code_invalid")


def test_s16_the_session_key_stays_outside(client: FlaskClient, sandbox: SandboxControl) -> None:
    person = made_up_person(sandbox)
    joined = join(client, sandbox, person)
    code = sandbox.issue_login_code(openid=person.openid)
    signed_in = client.post("/api/v1/sign-in/wechat", json={"code": code})
    for answer in (joined, signed_in):
        assert "session_key" not in answer.text
        assert person.openid not in answer.text
        assert code not in answer.text


def test_a_blocked_user_is_told(client: FlaskClient, sandbox: SandboxControl) -> None:
    sandbox.block_user(openid="o-blocked")
    code = sandbox.issue_login_code(openid="o-blocked")
    answer = client.post("/api/v1/sign-in/wechat", json={"code": code})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "wechat_user_blocked")


def test_a_phone_code_is_good_for_one_use(client: FlaskClient, sandbox: SandboxControl) -> None:
    body = join_body(client, sandbox, made_up_person(sandbox))
    assert client.post("/api/v1/join", json=body).status_code == 201
    other = join_body(client, sandbox, made_up_person(sandbox), phone_code=body["phone_code"])
    answer = client.post("/api/v1/join", json=other)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "wechat_code_invalid")


def test_a_foreign_phone_is_not_served(client: FlaskClient, sandbox: SandboxControl) -> None:
    phone_code = sandbox.issue_phone_code(phone="61234567", country_code="852")
    body = join_body(client, sandbox, made_up_person(sandbox), phone_code=phone_code)
    answer = client.post("/api/v1/join", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "phone_not_mainland")


def test_an_unknown_number_and_a_wrong_name_are_not_told_apart(
    client: FlaskClient, sandbox: SandboxControl
) -> None:
    known = made_up_person(sandbox)
    wrong = join(client, sandbox, known, name="张三丰")
    sandbox.reset()
    unknown = join(client, sandbox, known)
    assert wrong.get_json() == unknown.get_json()
    assert wrong.get_json()["code"] == "real_name_mismatch"


def test_a_refused_join_spends_no_phone_code(
    app: Flask, client: FlaskClient, sandbox: SandboxControl
) -> None:
    person = made_up_person(sandbox)
    body = join_body(client, sandbox, person)
    wrong = {**body, "name": "张三丰"}
    assert client.post("/api/v1/join", json=wrong).status_code == 422
    assert sandbox.count_calls(path=PHONE_PATH) == 0
    assert client.post("/api/v1/join", json=body).status_code == 201

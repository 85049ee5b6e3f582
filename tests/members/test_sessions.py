"""Sessions: rotation, reuse, signing out, and that all of it holds for every role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.members import operations
from app.members.queries import session_is_live
from tests.members.api import (
    bearer,
    citizen_tokens,
    claims_of,
    make_staff,
    sign_in_staff,
    source_tokens,
    staff_tokens,
)
from wechat_integration.sandbox.control import SandboxControl

SignIn = Callable[[], dict[str, Any]]
ROLES = ["citizen", "clerk", "merchant_owner", "operator", "source"]


@pytest.fixture(params=ROLES)
def sign_in(
    request: pytest.FixtureRequest, app: Flask, client: FlaskClient, sandbox: SandboxControl
) -> SignIn:
    role: str = request.param
    if role == "citizen":
        return lambda: citizen_tokens(client, sandbox)
    if role == "source":
        return lambda: source_tokens(app, client)
    return lambda: staff_tokens(app, client, role)


def refresh(client: FlaskClient, token: str) -> Any:
    return client.post("/api/v1/tokens/refresh", headers=bearer(token))


def is_live(client: FlaskClient, tokens: dict[str, Any]) -> bool:
    """Whether the access token opens a route that every role may call and that changes nothing."""
    who = claims_of(tokens["access_token"])
    with client.application.app_context():
        return session_is_live(
            role=who["role"], subject_id=UUID(who["sub"]), session_id=UUID(who["sid"])
        )


def test_a_session_goes_on_by_refresh(client: FlaskClient, sign_in: SignIn) -> None:
    first = sign_in()
    assert 0 < first["access_seconds"] <= 900
    assert 0 < first["refresh_seconds"] <= 30 * 86_400
    second = refresh(client, first["refresh_token"])
    assert second.status_code == 200
    third = refresh(client, second.get_json()["refresh_token"])
    assert third.status_code == 200
    assert third.get_json()["role"] == first["role"]
    assert third.get_json()["refresh_seconds"] <= first["refresh_seconds"]
    assert is_live(client, third.get_json())


def test_s6_reuse_kills_the_whole_family(client: FlaskClient, sign_in: SignIn) -> None:
    first = sign_in()
    second = refresh(client, first["refresh_token"]).get_json()
    reused = refresh(client, first["refresh_token"])
    assert (reused.status_code, reused.get_json()["code"]) == (401, "refresh_reused")
    newest = refresh(client, second["refresh_token"])
    assert (newest.status_code, newest.get_json()["code"]) == (401, "session_ended")
    assert not is_live(client, second)
    answer = client.post("/api/v1/sign-out", headers=bearer(second["access_token"]))
    assert answer.status_code == 401


def test_signing_out_is_effective_at_once(client: FlaskClient, sign_in: SignIn) -> None:
    tokens, others = sign_in(), sign_in()
    answer = client.post("/api/v1/sign-out", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 204
    again = client.post("/api/v1/sign-out", headers=bearer(tokens["access_token"]))
    assert (again.status_code, again.get_json()["code"]) == (401, "unauthenticated")
    assert refresh(client, tokens["refresh_token"]).get_json()["code"] == "session_ended"
    assert is_live(client, others)


def test_an_access_token_does_not_refresh_and_the_reverse(
    client: FlaskClient, sign_in: SignIn
) -> None:
    tokens = sign_in()
    assert refresh(client, tokens["access_token"]).status_code == 401
    answer = client.post("/api/v1/sign-out", headers=bearer(tokens["refresh_token"]))
    assert answer.status_code == 401


def test_s7_a_disabled_account_is_out_at_once(app: Flask, client: FlaskClient) -> None:
    operator = staff_tokens(app, client, "operator")
    clerk = make_staff(app, "clerk")
    tokens = sign_in_staff(client, clerk).get_json()
    answer = client.post(
        f"/api/v1/staff/{clerk.staff_id}/disable", headers=bearer(operator["access_token"])
    )
    assert answer.status_code == 204
    assert not is_live(client, tokens)
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    again = sign_in_staff(client, clerk, code=clerk.code(1))
    assert (again.status_code, again.get_json()["code"]) == (401, "sign_in_refused")


def test_s8_an_operator_ends_anybodys_sessions(
    app: Flask, client: FlaskClient, sandbox: SandboxControl
) -> None:
    operator = bearer(staff_tokens(app, client, "operator")["access_token"])
    for role in operations.STAFF_ROLES:
        account = make_staff(app, role)
        tokens = sign_in_staff(client, account).get_json()
        again = sign_in_staff(client, account, code=account.code(1)).get_json()
        answer = client.post(f"/api/v1/staff/{account.staff_id}/end-sessions", headers=operator)
        assert answer.get_json() == {"ended_sessions": 2}
        assert not is_live(client, tokens)
        assert not is_live(client, again)
        assert refresh(client, again["refresh_token"]).status_code == 401

    citizen = citizen_tokens(client, sandbox)
    citizen_id = claims_of(citizen["access_token"])["sub"]
    answer = client.post(
        "/api/v1/members/end-sessions", headers=operator,
        json={"citizen_id": citizen_id, "reason": "手机遗失，本人到窗口"},
    )
    assert answer.get_json() == {"ended_sessions": 1}
    assert not is_live(client, citizen)


def test_an_ended_credential_ends_its_sessions(app: Flask, client: FlaskClient) -> None:
    tokens = source_tokens(app, client)
    source_id = UUID(claims_of(tokens["access_token"])["sub"])
    with app.app_context():
        operations.disable_source(source_id=source_id)
    assert not is_live(client, tokens)
    assert refresh(client, tokens["refresh_token"]).status_code == 401


def test_s5_a_session_ends_after_30_days_however_often_it_is_refreshed(
    committing_app: Flask, admin: psycopg.Connection[Any], sandbox: SandboxControl
) -> None:
    client = committing_app.test_client()
    tokens = citizen_tokens(client, sandbox)
    admin.execute("UPDATE citizen_sessions SET expires_at = now() + interval '5 minutes'")
    refreshed = refresh(client, tokens["refresh_token"]).get_json()
    assert refreshed["refresh_seconds"] <= 300
    assert refreshed["access_seconds"] <= 300
    admin.execute("UPDATE citizen_sessions SET expires_at = now() - interval '1 second'")
    assert refresh(client, refreshed["refresh_token"]).get_json()["code"] == "session_ended"
    me = client.get("/api/v1/me", headers=bearer(refreshed["access_token"]))
    assert me.status_code == 401


def test_a_withdrawn_citizen_is_out_at_once(
    committing_app: Flask, admin: psycopg.Connection[Any], sandbox: SandboxControl
) -> None:
    client = committing_app.test_client()
    tokens = citizen_tokens(client, sandbox)
    admin.execute("UPDATE citizens SET status = 'left'")
    assert client.get("/api/v1/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert refresh(client, tokens["refresh_token"]).status_code == 401


def test_sessions_are_forgotten_184_days_after_their_time(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], sandbox: SandboxControl
) -> None:
    client = committing_app.test_client()
    citizens = [citizen_tokens(client, sandbox) for _ in range(4)]
    staff_tokens(committing_app, client)
    source_tokens(committing_app, client)
    admin.execute("UPDATE staff_sessions SET expires_at = now() - interval '185 days'")
    admin.execute("UPDATE source_sessions SET expires_at = now() - interval '185 days'")
    for tokens, days in zip(citizens, (186, 185, 183, -1), strict=True):
        admin.execute(
            "UPDATE citizen_sessions SET expires_at = now() - make_interval(days => %s)"
            " WHERE session_id = %s", (days, claims_of(tokens["access_token"])["sid"]),
        )
    with job_app.app_context():
        assert [operations.prune_sessions(limit=1) for _ in range(3)] == [1, 1, 0]
    for table in ("staff_sessions", "staff_refreshes", "source_sessions"):
        assert admin.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
    assert admin.execute("SELECT count(*) FROM citizen_sessions").fetchone() == (2,)
    assert is_live(client, citizens[3])
    forgotten = refresh(client, citizens[0]["refresh_token"])
    assert forgotten.get_json()["code"] == "session_ended"

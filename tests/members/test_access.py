"""Who may call what of members and wechat, and what comes in and goes out."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id, random_id
from app.web.auth import Role
from tests.members.api import (
    PASSWORD,
    bearer,
    citizen_tokens,
    claims_of,
    join_body,
    made_up_person,
    make_staff,
    source_tokens,
    staff_tokens,
)
from wechat_integration.sandbox.control import SandboxControl

ALL = {role.value for role in Role}
OPERATOR = {"operator"}
# Everything of these rooms that is not public: method, path, who may.
ROUTES: list[tuple[str, str, set[str]]] = [
    ("POST", "/sign-out", ALL),
    ("GET", "/me", {"citizen"}),
    ("GET", "/me/trail", {"citizen"}),
    ("POST", "/members/find", OPERATOR),
    ("POST", "/members/reveal", OPERATOR),
    ("POST", "/members/end-sessions", OPERATOR),
    ("POST", "/members/unbind-wechat", OPERATOR),
    ("POST", "/staff", OPERATOR),
    ("POST", "/staff/<uuid:staff_id>/disable", OPERATOR),
    ("POST", "/staff/<uuid:staff_id>/end-sessions", OPERATOR),
]
ELSEWHERE = ("credentials", "pay-score", "/me/copies", "token-waivers", "/signing")
PUBLIC = {
    "/sign-in/staff", "/sources/token", "/consent-texts", "/sign-in/wechat", "/join",
    "/tokens/refresh",
}


def tokens_by_role(app: Flask, sandbox: SandboxControl) -> dict[str, dict[str, Any]]:
    client = app.test_client()
    found = {role: staff_tokens(app, client, role) for role in
             ("clerk", "merchant_owner", "operator")}  # fmt: skip
    return {
        **found, "citizen": citizen_tokens(client, sandbox), "source": source_tokens(app, client)
    }


def test_the_list_of_routes_is_complete(app: Flask) -> None:
    rules = {
        rule.rule.removeprefix("/api/v1") for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("members.", "wechat."))
        # Signed, or with several methods: test_signing, security/test_functions.
        and not any(word in rule.rule for word in ELSEWHERE)
    }
    assert rules == {path for _, path, _ in ROUTES} | PUBLIC


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_s11_every_route_is_for_its_roles_alone(
    app: Flask, sandbox: SandboxControl, method: str, path: str, allowed: set[str]
) -> None:
    client = app.test_client()
    address = "/api/v1" + path.replace("<uuid:staff_id>", str(new_id()))
    body: dict[str, Any] | None = {} if method == "POST" else None
    for role, tokens in tokens_by_role(app, sandbox).items():
        answer = client.open(
            address, method=method, json=body, headers=bearer(tokens["access_token"])
        )
        assert (answer.status_code == 403) == (role not in allowed), (role, answer.status_code)
        assert answer.status_code != 401
    assert client.open(address, method=method, json=body).status_code == 401
    for other in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {method}:
        tampered = client.open(address, method=other, headers={"X-HTTP-Method-Override": method})
        assert tampered.status_code == 405


def test_s9_nobody_reads_or_ends_what_is_anothers(app: Flask, sandbox: SandboxControl) -> None:
    client = app.test_client()
    one, two = citizen_tokens(client, sandbox), citizen_tokens(client, sandbox)
    mine = client.get("/api/v1/me", headers=bearer(one["access_token"])).get_json()
    theirs = claims_of(two["access_token"])["sub"]
    assert mine["citizen_id"] != theirs
    for query in (f"?citizen_id={theirs}", f"?sub={theirs}"):
        trail = client.get(f"/api/v1/me/trail{query}", headers=bearer(one["access_token"]))
        assert trail.status_code == 422
    client.post("/api/v1/sign-out", headers=bearer(one["access_token"]))
    assert client.get("/api/v1/me", headers=bearer(two["access_token"])).status_code == 200


def bodies(client: FlaskClient, sandbox: SandboxControl) -> dict[str, dict[str, Any]]:
    reason = "本人到窗口核对"
    return {
        "/sign-in/staff": {"username": "li.na", "password": PASSWORD, "totp": "123456"},
        "/sources/token": {"credential_id": str(new_id()), "secret": "secret"},
        "/sign-in/wechat": {"code": "code"},
        "/join": join_body(client, sandbox, made_up_person(sandbox)),
        "/members/find": {"id_number": "11010519491231002X", "reason": reason},
        "/members/reveal": {
            "citizen_id": str(random_id()), "fields": ["name"], "reason": reason,
        },
        "/members/end-sessions": {"citizen_id": str(random_id()), "reason": reason},
        "/members/unbind-wechat": {"citizen_id": str(random_id()), "reason": reason},
        "/staff": {
            "username": "li.na", "password": PASSWORD, "role": "clerk", "display_name": "窗口",
        },
    }


def test_s13_unknown_fields_are_refused_on_every_write(
    app: Flask, sandbox: SandboxControl
) -> None:
    client = app.test_client()
    operator = bearer(staff_tokens(app, client)["access_token"])
    for path, body in bodies(client, sandbox).items():
        for extra in ("role_", "balance_points", "status", "merchant_id", "staff_id", "ended_at"):
            answer = client.post(f"/api/v1{path}", json={**body, extra: "x"}, headers=operator)
            assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request")
            assert extra in str(answer.get_json()["errors"])


@pytest.mark.parametrize("value", [None, 1, [], {}, True, "", "x" * 100_000, "\x00"])
def test_s56_other_types_are_refused_without_a_fault(
    app: Flask, sandbox: SandboxControl, value: Any
) -> None:
    client = app.test_client()
    operator = bearer(staff_tokens(app, client)["access_token"])
    for path, body in bodies(client, sandbox).items():
        for name in body:
            answer = client.post(f"/api/v1{path}", json={**body, name: value}, headers=operator)
            assert 400 <= answer.status_code < 500, (path, name, answer.status_code)


TOKENS = {"role", "access_token", "access_seconds", "refresh_token", "refresh_seconds"}
MASKED = {"citizen_id", "status", "joined_on", "name", "id_number", "phone"}


def test_s14_answers_hold_what_their_schema_says(app: Flask, sandbox: SandboxControl) -> None:
    client = app.test_client()
    person = made_up_person(sandbox)
    joined = client.post("/api/v1/join", json=join_body(client, sandbox, person)).get_json()
    assert set(joined) == TOKENS
    me = bearer(joined["access_token"])
    profile = client.get("/api/v1/me", headers=me).get_json()
    assert set(profile) == MASKED | {"consents"}
    assert set(profile["consents"][0]) == {
        "purpose", "text_version", "decision", "channel", "decided_at"
    }
    (line,) = client.get("/api/v1/me/trail", headers=me).get_json()["lines"]
    assert set(line) == {
        "trail_id", "actor_kind", "actor_name", "action", "fields", "reason", "basis",
        "created_at", "told",
    }
    code = sandbox.issue_login_code(openid=person.openid)
    signed_in = client.post("/api/v1/sign-in/wechat", json={"code": code}).get_json()
    assert set(signed_in) == {"tokens", "join_ticket", "join_ticket_seconds"}
    assert set(signed_in["tokens"]) == TOKENS
    operator = bearer(staff_tokens(app, client)["access_token"])
    body = {"id_number": person.id_number, "reason": "本人到窗口核对"}
    found = client.post("/api/v1/members/find", json=body, headers=operator).get_json()
    assert set(found) == MASKED
    staff = make_staff(app, "clerk")
    ended = client.post(f"/api/v1/staff/{staff.staff_id}/end-sessions", headers=operator)
    assert set(ended.get_json()) == {"ended_sessions"}
    texts = client.get("/api/v1/consent-texts").get_json()["texts"]
    assert texts[0]["purpose"] == "membership"
    assert set(texts[0]) == {
        "purpose", "version", "receiver", "required", "sensitive", "title", "body",
        "answer_due_on",
    }


def test_s45_authorisation_that_fails_refuses(
    app: Flask, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    tokens = citizen_tokens(client, sandbox)

    def broken(_: object) -> bool:
        raise RuntimeError("the check is broken")

    monkeypatch.setattr(app.extensions["card_authenticator"], "_session_is_live", broken)
    answer = client.get("/api/v1/me", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 500
    assert "broken" not in answer.text

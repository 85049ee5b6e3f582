"""Personal data and secrets never reach a log, an address or a refusal; secrets are strong."""

from __future__ import annotations

import ast
import io
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.members.sources import SECRET_BYTES
from app.web.logs import PrivateFormatter
from tests.conftest import ROOT
from tests.members.api import (
    Person,
    bearer,
    claims_of,
    join_body,
    made_up_person,
    make_staff,
    sign_in_staff,
    source_tokens,
    staff_tokens,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl

PEOPLE = 12
OUR_FILES = sorted((ROOT / "app").rglob("*.py"))


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, at every level, as the server writes it and as it came."""
    stream = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            formatted = PrivateFormatter().format(record)
            stream.write(f"{formatted}\n{record.getMessage()}\n{vars(record)}\n")
            if record.exc_info:
                stream.write(logging.Formatter().formatException(record.exc_info))

    handler, root = Everything(logging.DEBUG), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


Post = Callable[..., Any]


def fail_to_join(post: Post, body: dict[str, Any], person: Person) -> None:
    """Every way to be refused, with personal data in the wrong places."""
    post("/join", {**body, "name": person.id_number})
    post("/join", {**body, "id_number": person.id_number[:-2]})
    post("/join", {**body, "consents": person.id_number})
    post("/join", {**body, person.id_number: person.name})
    post("/join", {**body, "ticket": person.openid})
    post("/join", None, data=json.dumps(body)[:-1], content_type="application/json")


def live_a_little(client: FlaskClient, tokens: dict[str, str], person: Person) -> None:
    """Read, refresh, refresh again with the old token, come with a cut one."""
    me, again = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    client.get("/api/v1/me", headers=me)
    client.get(f"/api/v1/me/trail?x={person.phone}", headers=me)
    for _ in range(2):
        client.post("/api/v1/tokens/refresh", headers=again)
    client.get("/api/v1/me", headers=bearer(tokens["access_token"][:-3]))


def be_looked_at(post: Post, citizen_id: str, person: Person, operator: dict[str, str]) -> None:
    for reason in (f"核对 {person.id_number}", "本人到窗口核对"):
        post("/members/find", {"id_number": person.id_number, "reason": reason}, headers=operator)
        body = {"citizen_id": citizen_id, "fields": ["name", "id_number"], "reason": reason}
        post("/members/reveal", body, headers=operator)


def guess(app: Flask, post: Post) -> set[str]:
    """Wrong passwords and secrets of machines."""
    password, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    sign_in_staff(app.test_client(), make_staff(app), password=password)
    post("/sources/token", {"credential_id": str(new_id()), "secret": secret})
    post("/sources/token", {"credential_id": secret, "secret": secret})
    return {password, secret}


def test_s43_canaries_are_in_no_log_line(
    committing_app: Flask, sandbox: SandboxControl, logged: io.StringIO
) -> None:
    client = committing_app.test_client()
    operator = bearer(staff_tokens(committing_app, client)["access_token"])
    canaries = {source_tokens(committing_app, client)["access_token"]}

    def post(path: str, body: Any, **options: Any) -> Any:
        return client.post(f"/api/v1{path}", **({"json": body} if body else {}), **options)

    for number in range(PEOPLE):
        person = made_up_person(sandbox)
        body = join_body(client, sandbox, person)
        fail_to_join(post, body, person)
        fault = list(FaultKind)[number % len(FaultKind)]
        sandbox.add_fault(kind=fault, seconds=0.1, requests=1)
        post("/join", body)
        sandbox.clear_faults()
        canaries |= {*vars(person).values(), body["ticket"], body["phone_code"]}
        body["phone_code"] = sandbox.issue_phone_code(phone=person.phone)
        tokens = post("/join", body).get_json()
        canaries |= {tokens["access_token"], tokens["refresh_token"], body["phone_code"]}
        live_a_little(client, tokens, person)
        be_looked_at(post, claims_of(tokens["access_token"])["sub"], person, operator)
        canaries |= guess(committing_app, post)
    assert len(logged.getvalue()) > 1000
    assert_absent(canaries, logged.getvalue())


def assert_absent(canaries: set[str], text: str) -> None:
    assert not [canary for canary in canaries if canary in text or canary[::-1] in text]


def test_s43_s44_a_fault_in_the_middle_tells_nothing(
    committing_app: Flask,
    sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
    logged: io.StringIO,
) -> None:
    client = committing_app.test_client()
    person = made_up_person(sandbox)
    body = join_body(client, sandbox, person)
    admin.execute("ALTER TABLE trail_entries ADD CONSTRAINT ck_no CHECK (false) NOT VALID")
    try:
        failed = client.post("/api/v1/join", json=body)
    finally:
        admin.execute("ALTER TABLE trail_entries DROP CONSTRAINT ck_no")
    assert failed.status_code == 500
    assert "trail" not in failed.text
    assert "unexpected error" in logged.getvalue()
    assert_absent({*vars(person).values(), body["ticket"]}, logged.getvalue() + failed.text)


def test_s42_no_route_takes_personal_data_in_its_address(app: Flask) -> None:
    words = ("id_number", "phone", "name", "token", "code", "openid", "secret", "citizen")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(("members.", "wechat.")):
            assert not [word for word in words if word in " ".join(rule.arguments)]


def calls_and_imports(path: Path) -> tuple[list[ast.Call], set[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)], imported


@pytest.mark.parametrize("path", OUR_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_s48_s49_no_weak_randomness_hashes_or_ciphers(path: Path) -> None:
    calls, imported = calls_and_imports(path)
    modules = {name.split(".")[0] for name in imported}
    assert "random" not in modules
    assert not modules & {"Crypto", "pickle", "marshal", "shelve"}
    names = {
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for call in calls
    }
    assert not names & {"md5", "sha1", "ECB", "CBC", "uuid1"}


SECRET_WORDS = ("secret", "signature", "password", "totp", "token_hash", "mac")


@pytest.mark.parametrize("path", OUR_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_s47_secrets_are_compared_in_constant_time(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(
            isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops
        ):
            named = [
                name for part in (node.left, *node.comparators)
                for name in (getattr(part, "id", ""), getattr(part, "attr", ""))
            ]
            found = [n for n in named for word in SECRET_WORDS if word in n.lower().split("_")]
            assert not found, f"{path}:{node.lineno} compares {found}"


def test_s48_secrets_have_at_least_128_bits() -> None:
    assert SECRET_BYTES * 8 >= 128

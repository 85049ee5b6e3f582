"""Signing in over HTTP, as the programs do it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members import operations
from tests.members.people import made_up_member
from wechat_integration.sandbox.control import SandboxControl

MEMBERSHIP = [{"purpose": "membership", "text_version": 1}]
PASSWORD = "correct horse battery"


def keys_of(app: Flask) -> KeyProvider:
    keys: KeyProvider = app.extensions["card_keys"]
    return keys


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@dataclass
class Account:
    """A staff account with its authenticator."""

    username: str
    staff_id: UUID
    totp: pyotp.TOTP
    role: str

    def code(self, step: int = 0) -> str:
        """The code of now, or of some steps away."""
        return self.totp.at(datetime.now(UTC), counter_offset=step)


def make_staff(app: Flask, role: str = "operator") -> Account:
    username = f"staff-{new_id()}"
    with app.app_context():
        made = operations.create_staff(
            keys=keys_of(app), username=username, password=PASSWORD, role=role,
            display_name=f"窗口 {role}",
        )
    totp = pyotp.parse_uri(made.totp_uri)
    assert isinstance(totp, pyotp.TOTP)
    return Account(username, made.staff_id, totp, role)


def sign_in_staff(
    client: FlaskClient, account: Account, *, password: str = PASSWORD, code: str | None = None,
    address: str = "127.0.0.1",
) -> TestResponse:
    return client.post(
        "/api/v1/sign-in/staff",
        json={
            "username": account.username, "password": password, "totp": code or account.code(),
        },
        environ_base={"REMOTE_ADDR": address},
    )


def staff_tokens(app: Flask, client: FlaskClient, role: str = "operator") -> dict[str, Any]:
    response = sign_in_staff(client, make_staff(app, role))
    assert response.status_code == 200, response.get_json()
    tokens: dict[str, Any] = response.get_json()
    return tokens


def let_show_tokens(source_id: UUID | str) -> None:
    """Make a source one from before signing was the rule, behind the scenes."""
    with transaction() as session:
        session.execute(
            text("UPDATE source_accounts SET signed_only = false WHERE source_id = :source"),
            {"source": source_id},
        )


def source_tokens(app: Flask, client: FlaskClient) -> dict[str, Any]:
    with app.app_context():
        with transaction():
            made = operations.create_source_account(
                keys=keys_of(app), name=f"血液中心 {new_id()}"
            )
        let_show_tokens(made.source_id)
    response = client.post(
        "/api/v1/sources/token",
        json={"credential_id": str(made.credential_id), "secret": made.secret},
    )
    assert response.status_code == 200, response.get_json()
    tokens: dict[str, Any] = response.get_json()
    return tokens


@dataclass
class Person:
    """Somebody with a phone and a WeChat account."""

    name: str
    id_number: str
    phone: str
    openid: str


def made_up_person(sandbox: SandboxControl, **changes: str) -> Person:
    member = made_up_member()
    fields = {
        "name": member.name, "id_number": member.id_number, "phone": member.phone or "",
        "openid": f"o{new_id().hex}", **changes,
    }
    person = Person(**fields)
    sandbox.register_person(name=person.name, id_number=person.id_number)
    return person


def join_ticket(client: FlaskClient, sandbox: SandboxControl, person: Person) -> str:
    code = sandbox.issue_login_code(openid=person.openid)
    response = client.post("/api/v1/sign-in/wechat", json={"code": code})
    assert response.status_code == 200, response.get_json()
    ticket: str = response.get_json()["join_ticket"]
    return ticket


def join_body(
    client: FlaskClient, sandbox: SandboxControl, person: Person, **changes: Any
) -> dict[str, Any]:
    return {
        "ticket": join_ticket(client, sandbox, person),
        "name": person.name,
        "id_number": person.id_number,
        "phone_code": sandbox.issue_phone_code(phone=person.phone),
        "consents": MEMBERSHIP,
        **changes,
    }


def join(
    client: FlaskClient, sandbox: SandboxControl, person: Person, **changes: Any
) -> TestResponse:
    return client.post("/api/v1/join", json=join_body(client, sandbox, person, **changes))


def citizen_tokens(client: FlaskClient, sandbox: SandboxControl) -> dict[str, Any]:
    response = join(client, sandbox, made_up_person(sandbox))
    assert response.status_code == 201, response.get_json()
    tokens: dict[str, Any] = response.get_json()
    return tokens

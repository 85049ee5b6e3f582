"""People who live together, without the way through WeChat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.kernel.database import transaction
from app.members import operations as members
from tests.members.api import keys_of
from tests.members.people import made_up_member
from tests.scoring.people import signed_in

API = "/api/v1"
TEXT = {"text_version": 1}


@dataclass
class Villager:
    """A member with a session."""

    citizen_id: UUID
    id_number: str
    name: str
    client: FlaskClient
    headers: dict[str, str]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        return self.client.open(f"{API}{path}", method=method, json=body, headers=self.headers)

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.text
        return answer.get_json()

    def do(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status_code == status, answer.text
        return answer.get_json() if answer.data else None

    def refusal(self, method: str, path: str, body: Any = None) -> str:
        answer = self.ask(method, path, body)
        assert answer.status_code >= 400, answer.text
        return str(answer.get_json()["code"])

    def invite(self) -> str:
        return str(self.do("POST", "/me/household/invitations", status=201)["code"])


def villager(app: Flask) -> Villager:
    person = made_up_member()
    with app.app_context():
        with transaction():
            citizen_id = members.register_member(keys=keys_of(app), **vars(person))
        headers = signed_in(citizen_id)
    return Villager(citizen_id, person.id_number, person.name, app.test_client(), headers)


def live_together(head: Villager, *others: Villager) -> None:
    """One household, by the acts of each."""
    head.do("POST", "/me/household", TEXT)
    for one in others:
        one.do("POST", "/me/household/join", {"code": head.invite(), **TEXT})

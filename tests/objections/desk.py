"""A member with a record, its source, and operators, each speaking HTTP."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.members.register import NewMember
from app.members.sessions import open_citizen_session
from app.web.auth import Role
from demo.load import prepare_programme
from tests.members.people import made_up_member
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, csv_file
from tests.redemptions.builders import API, Citizen, keys_of, staff_headers, staff_tokens

REASON = "核对异议材料"
PNG = b"\x89PNG\r\n\x1a\n" + b"made up" * 20


@dataclass(frozen=True)
class Desk:
    """Everybody who has to do with an objection; what they get is JSON or a refusal's code."""

    app: Flask
    client: FlaskClient
    person: NewMember
    holder: Citizen
    source: Mapping[str, str]
    first: Mapping[str, str]
    second: Mapping[str, str]
    third: Mapping[str, str]
    today: date
    number: str = field(default_factory=lambda: f"N-{new_id()}")

    def deliver(self, version: int, hours: str, status: str = "有效") -> None:
        row = [
            self.number, str(version), status, self.person.id_number, "2026-05-02", hours, "清洁"
        ]
        sent = upload(
            self.client, dict(self.source), csv_file(HOURS, row), record_type=HOURS,
            delivered_on=self.today.isoformat(),
        )
        assert sent.status_code == 200, sent.get_json()
        assert sent.get_json()["refused_count"] == 0, sent.get_json()

    def body(self, **changes: Any) -> dict[str, Any]:
        """An objection to the record; None leaves a field out."""
        body = {
            "objection_id": str(new_id()), "kind": "record", "record_type": HOURS,
            "record_number": self.number, "reason": "wrong_facts", "words": "时长记错了", **changes,
        }
        return {name: value for name, value in body.items() if value is not None}

    def object(self, **changes: Any) -> TestResponse:
        return self.client.post(
            f"{API}/me/objections", json=self.body(**changes), headers=self.holder.headers
        )

    def objected(self, **changes: Any) -> str:
        made = self.object(**changes)
        assert made.status_code == 201, made.get_json()
        return str(made.get_json()["line"]["objection_id"])

    def ask(
        self, who: Mapping[str, str], method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """Status, and the document or the refusal's code."""
        answer = self.client.open(f"{API}{path}", method=method, json=body, headers=who)
        found = answer.get_json() if answer.is_json else answer.data
        return answer.status_code, found["code"] if answer.status_code >= 400 else found

    def own(self, objection_id: str) -> Any:
        status, found = self.ask(self.holder.headers, "GET", f"/me/objections/{objection_id}")
        assert status == 200, found
        return found

    def decide(self, who: Mapping[str, str], objection_id: str, **body: Any) -> tuple[int, Any]:
        said = {"reasons": "经核对", **body}
        return self.ask(who, "POST", f"/objections/{objection_id}/decision", said)

    def confirm(self, who: Mapping[str, str], objection_id: str, *, word: bool) -> tuple[int, Any]:
        path = f"/objections/{objection_id}/confirmation"
        return self.ask(who, "POST", path, {"is_confirmed": word})

    def attach(
        self, objection_id: str, content: bytes, name: str = "x.png", **form: str
    ) -> TestResponse:
        said = {
            "attachment_id": str(new_id()), "file": FileStorage(io.BytesIO(content), name), **form
        }
        boundary, body = encode_multipart(said)
        return self.client.post(
            f"{API}/me/objections/{objection_id}/attachments", data=body,
            headers=self.holder.headers,
            content_type=f'multipart/form-data; boundary="{boundary}"',
        )

    def line(self) -> Any:
        """The line of the record in the score."""
        status, found = self.ask(self.holder.headers, "GET", "/me/score/explanation?limit=100")
        assert status == 200, found
        return [one for one in lines_in(found) if one["record_number"] == self.number]

    def move(self, objection_id: str, **days: int) -> None:
        """Move dates of an objection by days from today."""
        with transaction() as session:
            for column, count in days.items():
                session.execute(
                    text(
                        f"UPDATE objections SET {column} = CAST(:today AS date) + :days"
                        " WHERE objection_id = :id"
                    ),
                    {"today": self.today, "days": count, "id": objection_id},
                )


def lines_in(document: Any) -> list[Any]:
    """Every line of an explained score, wherever it stands."""
    if isinstance(document, dict):
        mine = [document] if "record_number" in document else []
        return mine + [line for value in document.values() for line in lines_in(value)]
    if isinstance(document, list):
        return [line for value in document for line in lines_in(value)]
    return []


def make_desk(app: Flask) -> Desk:
    client, person = app.test_client(), made_up_member()
    first, second, third = (staff_headers(app, Role.OPERATOR) for _ in range(3))
    with app.app_context():
        prepare_programme()
        with transaction() as session:
            citizen_id = members.register_member(keys=keys_of(app), **vars(person))
            opened = open_citizen_session(session, citizen_id=citizen_id)
        with reading() as session:
            today = city_today(session)
        holder = Citizen(citizen_id, opened.session_id, staff_tokens(opened))
    source = make_source(client, dict(first), HOURS)
    made = Desk(app, client, person, holder, source, first, second, third, today)
    made.deliver(1, "12")
    return made

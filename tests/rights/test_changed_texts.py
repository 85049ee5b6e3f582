"""R2: a text that changes asks anew where it matters; without an answer nothing more is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.counter.notices import UNANSWERED
from app.counter.unanswered import rest_due
from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.members.consents import ANSWER_DAYS, AnswerByNeeded, current_texts, publish_text
from app.members.queries import find_citizen_id
from app.members.resting import rest_membership
from app.web.auth import Role
from tests.counter.desk import fresh_code
from tests.members.api import Person, bearer, join, keys_of, made_up_person
from tests.redemptions.builders import make_staff, staff_tokens
from wechat_integration.sandbox.control import SandboxControl

SECOND = [{"purpose": "membership", "text_version": 2}]


@dataclass
class Town:
    """Members, and the text without which nobody is one."""

    app: Flask
    job_app: Flask
    admin: psycopg.Connection[Any]
    sandbox: SandboxControl
    client: FlaskClient

    def joined(self, person: Person | None = None, **changes: Any) -> tuple[Person, dict[str, str]]:
        person = person or made_up_person(self.sandbox)
        answer = join(self.client, self.sandbox, person, **changes)
        assert answer.status_code == 201, answer.get_json()
        return person, bearer(answer.get_json()["access_token"])

    def change_membership(self, **facts: Any) -> None:
        change("membership", **{"required": True, "answer_due_on": in_days(ANSWER_DAYS), **facts})

    def time_passes(self) -> int:
        """The day by which members answer is over; how many the worker lets rest then."""
        self.admin.execute("UPDATE consent_texts SET answer_due_on = answer_due_on - 31")
        return self.look()

    def look(self) -> int:
        with self.job_app.app_context():
            return rest_due(limit=100)

    def balance(self, headers: dict[str, str]) -> int:
        return self.client.get("/api/v1/me/balance", headers=headers).status_code

    def membership(self, headers: dict[str, str]) -> tuple[str, str | None]:
        """How somebody stands to it, and until when to answer."""
        found = self.client.get("/api/v1/me/consents", headers=headers).get_json()["consents"]
        [one] = [one for one in found if one["text"]["purpose"] == "membership"]
        return one["state"], one["text"]["answer_due_on"]

    def sign_in(self, person: Person) -> TestResponse:
        code = self.sandbox.issue_login_code(openid=person.openid)
        return self.client.post("/api/v1/sign-in/wechat", json={"code": code})


@pytest.fixture
def town(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], sandbox: SandboxControl
) -> Iterator[Town]:
    with committing_app.app_context():
        yield Town(committing_app, job_app, admin, sandbox, committing_app.test_client())
    admin.execute("DELETE FROM consent_texts WHERE version > 1")


def in_days(days: int) -> date:
    with reading() as session:
        return city_today(session) + timedelta(days=days)


def change(purpose: str, **facts: Any) -> None:
    now = current_texts()[purpose]
    publish_text(**{
        "purpose": purpose, "receiver": now.receiver, "required": False,
        "sensitive": now.sensitive, "title": now.title, "body": "新的用途", **facts,
    })  # fmt: skip


def test_r2_a_clearer_word_asks_nobody(town: Town) -> None:
    _, headers = town.joined()
    town.change_membership(matters=False, answer_due_on=None)
    assert town.membership(headers) == ("given", None)
    assert town.look() == 0
    assert town.balance(headers) == 200


def test_r2_who_does_not_agree_to_what_changed_rests_until_they_do(town: Town) -> None:
    person, headers = town.joined()
    _, of_one_who_agrees = town.joined()
    town.change_membership()
    assert town.membership(headers) == ("stale", in_days(ANSWER_DAYS).isoformat())
    assert town.look() == 0
    assert town.balance(headers) == 200  # there is time to answer
    answered = town.client.post(
        "/api/v1/me/consents", json=SECOND[0], headers=of_one_who_agrees
    )
    assert answered.status_code == 200
    assert town.time_passes() == 1
    assert town.balance(headers) == 401
    assert town.balance(of_one_who_agrees) == 200
    told = town.admin.execute(
        "SELECT payload->>'what' FROM outbox WHERE topic = 'citizen_notice'"
    ).fetchall()
    assert told == [(UNANSWERED,)]
    old = join(town.client, town.sandbox, person)
    assert old.get_json()["code"] == "consent_stale"
    _, headers = town.joined(person, consents=SECOND)
    assert town.balance(headers) == 200
    assert town.membership(headers)[0] == "given"
    assert town.look() == 0


def test_r2_r27_whoever_rests_may_agree_at_the_counter(town: Town) -> None:
    operator_id, opened = make_staff(town.app, Role.OPERATOR)
    person, _ = town.joined()
    town.change_membership()
    assert town.time_passes() == 1
    consents = [{**one, "was_read_aloud": True} for one in SECOND]
    operator = dict(staff_tokens(opened))
    joined = town.client.post("/api/v1/counter/joinings", headers=operator, json={
        "name": person.name, "id_number": person.id_number, "phone": person.phone,
        "reason": "本人到窗口同意新条款", "totp": fresh_code(town.app, operator_id),
        "consents": consents,
    })  # fmt: skip
    assert joined.status_code == 201, joined.get_json()
    assert "access_token" in town.sign_in(person).get_json()["tokens"]


def test_a_death_lets_rest_who_rests_already(town: Town) -> None:
    """And then no joining wakes them."""
    person, _ = town.joined()
    town.change_membership()
    assert town.time_passes() == 1
    citizen_id = find_citizen_id(
        keys=keys_of(town.app), purpose="id_number", value=person.id_number
    )
    assert citizen_id is not None
    with transaction():
        rest_membership(citizen_id=citizen_id)
    assert town.sign_in(person).get_json()["code"] == "membership_rests"


def test_a_required_text_that_changes_says_until_when_to_answer(town: Town) -> None:
    town.change_membership(answer_due_on=None)  # nobody is there to be asked
    town.joined(consents=SECOND)
    for facts in (
        {"answer_due_on": None}, {"answer_due_on": in_days(ANSWER_DAYS - 1)}, {"matters": False},
    ):
        with pytest.raises(AnswerByNeeded):
            town.change_membership(**facts)
    with pytest.raises(AnswerByNeeded):  # and nobody must answer what nobody must agree to
        change("library", answer_due_on=in_days(ANSWER_DAYS))

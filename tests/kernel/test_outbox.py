"""A message is written with its transaction or not at all."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import ProgrammingError

from app.kernel import jobs, outbox
from app.kernel.context import request_id
from app.kernel.database import transaction
from app.kernel.ids import new_id, random_id


class GivenUpError(Exception):
    pass


def test_a_message_stands_with_its_transaction_and_carries_the_request(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen_id, message_id = random_id(), new_id()
    token = request_id.set("request-12345")
    with committing_app.app_context(), transaction():
        outbox.put(
            citizen_id=citizen_id, topic="x", payload={"number": 1}, message_id=message_id
        )
    request_id.reset(token)
    rows = admin.execute("SELECT citizen_id, message_id, topic, payload FROM outbox").fetchall()
    assert rows == [(citizen_id, message_id, "x", {"number": 1, "request_id": "request-12345"})]


def test_a_message_goes_with_its_transaction(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    def give_up() -> None:
        with transaction():
            outbox.put(citizen_id=random_id(), topic="x", payload={})
            raise GivenUpError

    with committing_app.app_context(), pytest.raises(GivenUpError):
        give_up()
    assert admin.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_the_web_role_cannot_take_messages(app: Flask) -> None:
    with pytest.raises(ProgrammingError):
        jobs.relay()

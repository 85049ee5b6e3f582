"""Joining at once: one seat per adult, and none in a household that is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from flask import Flask
from werkzeug.test import TestResponse

from app.households import operations
from tests.households.town import TEXT, Villager, villager
from tests.races.threads import at_once, meeting_before_writes

JOIN = "/api/v1/me/household/join"
SEATS = "household_seats"


@contextmanager
def without_the_key(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """The primary key is what makes one seat per citizen."""
    admin.execute("ALTER TABLE household_seats DROP CONSTRAINT pk_household_seats")
    try:
        yield
    finally:
        admin.execute(
            "TRUNCATE household_seats; ALTER TABLE household_seats"
            " ADD CONSTRAINT pk_household_seats PRIMARY KEY (citizen_id)"
        )


def seats(admin: psycopg.Connection[Any], who: Villager) -> int:
    query = "SELECT count(*) FROM household_seats WHERE citizen_id = %s"
    return int(admin.execute(query, (who.citizen_id,)).fetchone()[0])  # type: ignore[index]


def heads(app: Flask, count: int) -> list[Villager]:
    made = [villager(app) for _ in range(count)]
    for one in made:
        one.do("POST", "/me/household", TEXT)
    return made


def join_all(app: Flask, one: Villager, codes: list[str]) -> list[TestResponse]:
    """One adult takes up several invitations at the same moment."""

    def take_up(code: str) -> TestResponse:
        return app.test_client().post(JOIN, json={"code": code, **TEXT}, headers=one.headers)

    return at_once([partial(take_up, code) for code in codes])


def test_two_households_at_once_are_one(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    one, codes = villager(committing_app), [head.invite() for head in heads(committing_app, 3)]
    with meeting_before_writes(admin, SEATS, 3):
        answers = join_all(committing_app, one, codes)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert seats(admin, one) == 1


def test_without_the_key_one_adult_sits_in_several(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    one, codes = villager(committing_app), [head.invite() for head in heads(committing_app, 2)]
    with without_the_key(admin), meeting_before_writes(admin, SEATS, 2):
        join_all(committing_app, one, codes)
        assert seats(admin, one) == 2


def sit_while_the_head_leaves(
    app: Flask, admin: psycopg.Connection[Any], *, locking: str
) -> int:
    """Seats that are left under a head who left while somebody was joining."""
    (head,), other = heads(app, 1), villager(app)
    url = admin.info.dsn + f" password={admin.info.password}"

    def leave() -> None:
        with app.app_context():
            operations.leave_household(citizen_id=head.citizen_id)

    with psycopg.connect(url) as joining:
        joining.execute(
            f"SELECT FROM household_seats WHERE citizen_id = %s {locking}", (head.citizen_id,)
        )
        joining.execute(
            "INSERT INTO household_seats (citizen_id, head_id, since_on)"
            " VALUES (%s, %s, current_date)", (other.citizen_id, head.citizen_id),
        )
        leaving = threading.Thread(target=leave)
        leaving.start()
        if locking:
            wait_for_lock(admin)
        else:
            leaving.join()
        joining.commit()
    leaving.join()
    query = "SELECT count(*) FROM household_seats WHERE head_id = %s"
    return int(admin.execute(query, (head.citizen_id,)).fetchone()[0])  # type: ignore[index]


def wait_for_lock(admin: psycopg.Connection[Any]) -> None:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while admin.execute(query).fetchone() == (0,):
        pass


def test_nobody_sits_in_a_household_that_is_over(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    assert sit_while_the_head_leaves(committing_app, admin, locking="FOR UPDATE") == 0


def test_without_the_lock_somebody_does(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    assert sit_while_the_head_leaves(committing_app, admin, locking="") == 1

"""S24: operators act on one thing at the same moment: one is taken, whoever comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.kernel.clock import city_date, now
from app.web.auth import Role
from demo.load import prepare_programme
from tests.complaints.test_complaints import Case
from tests.merchants.applying import REASON
from tests.merchants.test_directory import Book
from tests.races.threads import at_once, meeting_before_writes
from tests.redemptions.builders import API, staff_headers
from tests.redemptions.test_offline_decisions import scanned_twice
from tests.service_orders.test_lines import LINES, proposal
from tests.trail.assessed import assessed

OPERATORS = 4

Admin = psycopg.Connection[Any]
Post = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Race:
    """What several operators do at once, what each is told, and the table whose key decides."""

    posts: Callable[[Flask, Admin], list[Post]]
    told: list[int]
    table: str
    key: str
    act: str | None = None  # of the register, written by who is taken alone


def decide_a_scan(app: Flask, _: Admin) -> list[Post]:
    """Half of the operators let it count while the others do not."""
    disputed = scanned_twice(app, app.test_client())[1][1]
    words = (("counted", "taken_in_good_faith"), ("not_counted", "voucher_used_before"))
    return [
        ("/offline/decisions", {**disputed, "outcome": outcome, "reason_code": reason})
        for outcome, reason in words * 2
    ]


def decide_a_complaint(app: Flask, admin: Admin) -> list[Post]:
    case = Case(app)
    complaint_id = case.complained()
    admin.execute("UPDATE complaints SET due_on = due_on - 30")
    return [(f"/complaints/{complaint_id}/decision", {"outcome": "upheld", **REASON})] * OPERATORS


def confirm_a_line(app: Flask, _: Admin) -> list[Post]:
    prepare_programme()
    assessed("sensitive", "clinic")
    body = proposal(app)
    made = app.test_client().post(LINES, json=body, headers=staff_headers(app, Role.OPERATOR))
    assert made.status_code == 201, made.get_json()
    return [(f"/guarantee-lines/{body['line_id']}/confirmation", REASON)] * OPERATORS


def confirm_an_entry(app: Flask, _: Admin) -> list[Post]:
    first, second = (staff_headers(app, Role.OPERATOR) for _ in range(2))
    book = Book(app.test_client(), (first, second))
    today = city_date(now())
    made = book.propose(today - timedelta(days=9), today, today + timedelta(days=9))
    assert made.status_code == 201, made.get_json()
    return [(f"/merchant-entries/{made.get_json()['entry_id']}/confirmation", REASON)] * OPERATORS


RACES = {
    "an offline scan": Race(
        decide_a_scan, [200, 200, 409, 409], "offline_decisions", "device_id, scan_id",
        "offline_scan_decided",
    ),
    "a complaint": Race(
        decide_a_complaint, [200, 409, 409, 409], "complaint_decisions",
        "citizen_id, complaint_id",
    ),
    "a guarantee line": Race(
        confirm_a_line, [200, 409, 409, 409], "guarantee_line_decisions", "line_id",
        "guarantee_line_confirmed",
    ),
    "an entry about a merchant": Race(
        confirm_an_entry, [200] * OPERATORS, "merchant_entry_confirmations", "entry_id",
        "merchant_entry_confirmed",
    ),
}  # fmt: skip


@contextmanager
def without_key(admin: Admin, table: str, key: str) -> Iterator[None]:
    """The negative control: nothing says that there is one."""
    admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    try:
        yield
    finally:
        admin.execute(f"TRUNCATE {table}")
        admin.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")


def run(app: Flask, admin: Admin, race: Race) -> tuple[list[int], int]:
    """What each operator is told, and how many acts stand in the register."""
    with app.app_context():
        posts = race.posts(app, admin)

    def post(path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> int:
        return app.test_client().post(f"{API}{path}", json=body, headers=headers).status_code

    calls: list[Callable[[], int]] = [
        partial(post, *one, staff_headers(app, Role.OPERATOR)) for one in posts
    ]
    before = acts(admin, race)
    with meeting_before_writes(admin, race.table, len(calls)):
        told = sorted(at_once(calls))
    return told, acts(admin, race) - before


def acts(admin: Admin, race: Race) -> int:
    row = admin.execute(
        "SELECT count(*) FROM trail_acts WHERE action = %s", (race.act,)
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("about", RACES)
def test_s24_of_operators_at_once_one_is_taken(
    committing_app: Flask, admin: Admin, about: str
) -> None:
    race = RACES[about]
    assert run(committing_app, admin, race) == (race.told, int(race.act is not None))


@pytest.mark.parametrize("about", RACES)
def test_without_the_key_more_than_one_is(
    committing_app: Flask, admin: Admin, about: str
) -> None:
    race = RACES[about]
    with without_key(admin, race.table, race.key):
        assert run(committing_app, admin, race) != (race.told, int(race.act is not None))

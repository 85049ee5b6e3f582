"""R29, S24: two operators say opposite things about a death, or an application, at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy.sql import Select
from werkzeug.test import TestResponse

from app.deaths import operations
from app.web.auth import Role
from demo.load import prepare_programme
from tests.deaths.office import Office, Operator, make_office, make_person
from tests.races.threads import at_once, meeting_before_writes
from tests.redemptions.answers import outcome
from tests.redemptions.builders import make_staff, staff_tokens

Said = Callable[[Office, Operator, bool], TestResponse]


def about_a_report(office: Office) -> Said:
    report_id = office.reported(make_person(office.app))
    return lambda desk, who, word: desk.confirm(who, report_id, word=word)


def about_an_application(office: Office) -> Said:
    application_id = office.applied(office.confirmed(make_person(office.app)))
    assert office.decide(application_id).status_code == 200
    return lambda desk, who, word: desk.agree(who, application_id, word=word)


# What whoever comes later is told.
ABOUT = {
    "death_reports": (about_a_report, "death_report_decided"),
    "relative_applications": (about_an_application, "relative_application_unproposed"),
}


def run(app: Flask, admin: psycopg.Connection[Any], table: str) -> list[str]:
    """What yes and no are refused with when they are said at once, sorted; nothing: taken."""
    with app.app_context():
        prepare_programme()
    office = make_office(app)
    said = ABOUT[table][0](office)
    staff_id, opened = make_staff(app, Role.OPERATOR)
    with app.app_context():
        third = Operator(staff_id, staff_tokens(opened))
    calls: list[Callable[[], TestResponse]] = [
        partial(said, replace(office, client=app.test_client()), who, word)
        for who, word in ((office.second, True), (third, False))
    ]
    with meeting_before_writes(admin, table, len(calls), event="UPDATE", seconds=2):
        answers = at_once(calls)
    return sorted("" if one.status_code == 200 else outcome(one)[1] for one in answers)


@pytest.mark.parametrize("table", ABOUT)
def test_r29_one_word_counts(
    committing_app: Flask, admin: psycopg.Connection[Any], table: str
) -> None:
    assert run(committing_app, admin, table) == ["", ABOUT[table][1]]


@pytest.mark.parametrize("table", ABOUT)
def test_without_the_locks_more_happens(
    committing_app: Flask, admin: psycopg.Connection[Any], table: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Select, "with_for_update", lambda query, **_: query)
    monkeypatch.setattr(operations, "lock_dead", lambda *_: None)
    assert run(committing_app, admin, table) != ["", ABOUT[table][1]]

"""D6: who reads too many people unmasked is stopped, and goes on when somebody else agrees."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.trail.counting import OPENING_ACTIONS, VIEWS_PER_HOUR_MAX
from app.trail.operations import Actor, record_access
from app.trail.queries import alarm_state, list_acts, list_alarms
from app.trail.viewing import release_alarm
from app.trail.wording import SENTENCES
from app.web import limits
from demo.servers import Database
from tests.members.api import bearer, claims_of, keys_of, staff_tokens
from tests.members.people import made_up_member

REASON = "集中办理换卡业务"
ALARMS = "/api/v1/bulk-viewing-alarms"


@pytest.fixture
def members_ids(app: Flask) -> list[str]:
    people = [made_up_member() for _ in range(VIEWS_PER_HOUR_MAX + 1)]
    with transaction():
        made = members.register_members(keys=keys_of(app), people=people)
    return [str(one.citizen_id) for one in made]


def view(client: FlaskClient, operator: dict[str, str], citizen_id: str) -> tuple[int, str]:
    limits.forget_all()  # the request limit is another wall
    body = {"citizen_id": citizen_id, "fields": ["name"], "reason": REASON}
    answer = client.post("/api/v1/members/reveal", json=body, headers=operator)
    return answer.status_code, str(answer.get_json().get("code", ""))


def test_d6_the_fifty_first_unmasked_view_of_an_hour_stops_the_account(
    app: Flask, client: FlaskClient, members_ids: list[str]
) -> None:
    tokens = staff_tokens(app, client)["access_token"]
    busy, other = bearer(tokens), bearer(staff_tokens(app, client)["access_token"])
    told = [view(client, busy, citizen_id) for citizen_id in members_ids]
    assert told == [(200, "")] * VIEWS_PER_HOUR_MAX + [(403, "bulk_viewing_stopped")]
    assert view(client, busy, members_ids[0]) == (403, "bulk_viewing_stopped")
    assert view(client, other, members_ids[0]) == (200, "")

    (alarm,) = client.get(ALARMS, headers=other).get_json()["alarms"]
    staff_id = claims_of(tokens)["sub"]
    assert (alarm["staff_id"], alarm["view_count"]) == (staff_id, VIEWS_PER_HOUR_MAX)
    assert alarm_state() == {"bulk_viewing_alarms_open": 1}

    release = f"{ALARMS}/{alarm['alarm_id']}/release"
    own = client.post(release, json={"reason": REASON}, headers=busy)
    assert (own.status_code, own.get_json()["code"]) == (403, "second_person_needed")
    for _ in range(2):
        assert client.post(release, json={"reason": REASON}, headers=other).status_code == 200
    assert [act.action for act in list_acts(subject=staff_id)] == ["bulk_viewing_released"]
    assert view(client, busy, members_ids[0]) == (200, "")
    assert alarm_state() == {"bulk_viewing_alarms_open": 0}
    assert client.post(
        f"{ALARMS}/{new_id()}/release", json={"reason": REASON}, headers=other
    ).get_json()["code"] == "bulk_viewing_alarm_unknown"


@pytest.mark.parametrize("action", sorted(OPENING_ACTIONS))
def test_d6_whoever_opens_too_many_people_in_their_work_is_told_of_too(
    app: Flask, client: FlaskClient, members_ids: list[str], action: str
) -> None:
    """Whatever the work: fifty people pass, at the next one others hear of it, the work goes on."""
    account = staff_tokens(app, client)["access_token"]
    staff_id = UUID(claims_of(account)["sub"])
    for citizen_id in members_ids[:-1]:
        for _ in range(2):  # one person is one, however often
            read(staff_id, action, citizen_id)
    assert alarm_state() == {"bulk_viewing_alarms_open": 0}
    for _ in range(2):
        read(staff_id, action, members_ids[-1])
    (alarm,) = list_alarms(limit=10)
    assert (alarm.staff_id, alarm.view_count) == (staff_id, VIEWS_PER_HOUR_MAX)
    # What nobody has to do is over.
    assert view(client, bearer(account), members_ids[0]) == (403, "bulk_viewing_stopped")


def test_d6_all_that_an_account_opens_is_counted_together(
    app: Flask, members_ids: list[str]
) -> None:
    staff_id = new_id()
    for citizen_id, action in zip(members_ids, cycle(sorted(OPENING_ACTIONS)), strict=False):
        read(staff_id, action, citizen_id)
    (alarm,) = list_alarms(limit=10)
    assert alarm.staff_id == staff_id


def test_d6_the_word_of_every_reading_says_whether_it_opens_somebody() -> None:
    """A reading of a new kind is counted, or it is written here why not."""
    reading = {action for action in SENTENCES if action.endswith(("_read", "_opened", "_printed"))}
    assert reading - {"paper_card_printed"} == OPENING_ACTIONS  # masked, and the card is handed out


def test_d6_an_hour_after_its_release_begins_anew(app: Flask, members_ids: list[str]) -> None:
    staff_id, other = new_id(), new_id()
    for citizen_id in members_ids:
        read(staff_id, "objection_read", citizen_id)
    (alarm,) = list_alarms(limit=10)
    release_alarm(alarm_id=alarm.alarm_id, operator_id=other, reason=REASON)
    for citizen_id in members_ids[:-1]:
        read(staff_id, "objection_read", citizen_id)
    assert alarm_state() == {"bulk_viewing_alarms_open": 0}
    read(staff_id, "objection_read", members_ids[-1])
    assert alarm_state() == {"bulk_viewing_alarms_open": 1}


def read(staff_id: UUID, action: str, citizen_id: str) -> None:
    with transaction():
        record_access(
            citizen_id=UUID(citizen_id), actor=Actor("operator", staff_id), action=action,
            reason=REASON,
        )


@pytest.fixture
def fiftieth(test_database: Database, admin: psycopg.Connection[Any]) -> Iterator[Any]:
    """An account with one view left, and a transaction that is taking it."""
    staff_id = new_id()
    admin.execute(
        "INSERT INTO trail_views SELECT %s, gen_random_uuid() FROM generate_series(1, %s)",
        (staff_id, VIEWS_PER_HOUR_MAX - 1),
    )
    with psycopg.connect(test_database.admin_url) as first:
        assert admit(first, staff_id) is True
        yield staff_id, first
    admin.execute("TRUNCATE trail_views, bulk_viewing_alarms")


def admit(connection: psycopg.Connection[Any], staff_id: Any) -> bool:
    row = connection.execute(
        "SELECT trail_admit_view(%s, %s, %s, %s)",
        (staff_id, new_id(), new_id(), VIEWS_PER_HOUR_MAX),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def test_two_views_at_once_are_counted_one_after_the_other(
    committing_app: Flask, test_database: Database, fiftieth: Any
) -> None:
    staff_id, first = fiftieth
    with psycopg.connect(test_database.admin_url, autocommit=True) as second:
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            admit(second, staff_id)
        first.commit()
        assert admit(second, staff_id) is False


def test_views_of_an_hour_ago_do_not_count(
    committing_app: Flask, test_database: Database, admin: psycopg.Connection[Any], fiftieth: Any
) -> None:
    staff_id, first = fiftieth
    first.commit()
    admin.execute("UPDATE trail_views SET viewed_at = viewed_at - interval '61 minutes'")
    with psycopg.connect(test_database.admin_url, autocommit=True) as second:
        assert admit(second, staff_id) is True


def test_without_the_lock_both_would_pass(
    committing_app: Flask, test_database: Database, admin: psycopg.Connection[Any], fiftieth: Any
) -> None:
    staff_id, _ = fiftieth
    row = admin.execute(
        "SELECT pg_get_functiondef('trail_admit_view'::regproc)"
    ).fetchone()
    assert row is not None
    whole = str(row[0])
    lock = "PERFORM pg_advisory_xact_lock(hashtext('trail_views'), hashtext(staff::text));"
    assert lock in whole
    admin.execute(whole.replace(lock, ""))
    try:
        with psycopg.connect(test_database.admin_url, autocommit=True) as second:
            assert admit(second, staff_id) is True
    finally:
        admin.execute(whole)

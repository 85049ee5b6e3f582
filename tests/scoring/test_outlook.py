"""What ends soon, and the lawful ways to the next tier that everybody may take."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.records.queries import current_day
from app.scoring.queries import list_scores, scheme_in_force
from tests.records.programme import HOURS, Programme, build_programme
from tests.scoring.people import signed_in


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


def outlook(programme: Programme, client: FlaskClient) -> dict[str, Any]:
    mine = signed_in(programme.citizens[0])
    answer = client.get("/api/v1/me/score/outlook", headers=mine)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def hours_that_end(programme: Programme, number: str, hours: str, on: date) -> list[str]:
    return programme.hours(number, hours, day=(on - timedelta(days=365)).isoformat())


def test_what_ends_within_thirty_days_is_told_with_the_total_of_that_day(
    programme: Programme, client: FlaskClient
) -> None:
    today = current_day()
    soon, later, after = (today + timedelta(days=days) for days in (3, 30, 31))
    programme.deliver(
        HOURS,
        hours_that_end(programme, "ZY-1", "10", soon),
        hours_that_end(programme, "ZY-2", "4", soon),
        hours_that_end(programme, "ZY-3", "6", later),
        hours_that_end(programme, "ZY-4", "8", after),
        on=today,
    )
    found = outlook(programme, client)
    assert found["total"] == 14
    told = [(one["on"], one["total"], one["ending_count"]) for one in found["changes"]]
    assert told == [(soon.isoformat(), 7, 2), (later.isoformat(), 4, 1)]
    assert [line["value"] for line in found["changes"][0]["endings"]] == ["5", "2"]
    scheme = scheme_in_force(on=later)
    assert scheme is not None
    for one in found["changes"]:
        (score,) = list_scores(
            scheme=scheme, as_of=date.fromisoformat(one["on"]), citizen_ids=programme.citizens[:1]
        )
        assert (score.total, score.tier) == (one["total"], one["tier"])


def test_a_lower_award_counts_when_the_best_one_ends(
    programme: Programme, client: FlaskClient
) -> None:
    today = current_day()
    number = programme.people[0].id_number
    ends = today + timedelta(days=5)
    best = (ends - timedelta(days=730)).isoformat()
    programme.deliver(
        "civility",
        ["WM-1", "1", "有效", number, "文明家庭", "五星", best],
        ["WM-2", "1", "有效", number, "文明家庭", "三星", today.isoformat()],
        on=today,
    )
    found = outlook(programme, client)
    assert found["total"] == 30
    assert [(one["on"], one["total"]) for one in found["changes"]] == [(ends.isoformat(), 10)]


def test_ways_are_open_to_all_not_full_and_say_what_one_more_brings(
    programme: Programme, client: FlaskClient
) -> None:
    found = outlook(programme, client)
    assert found["next_tier"] == {"code": "A", "missing_points": 550}
    ways = {(way["indicator"], way["item"]): way for way in found["ways"]}
    assert {code for code, _ in ways} == {"301", "302", "401", "403"}
    assert ("401", "文明课程/讲师") not in ways
    hours = ways["301", None]
    assert (hours["one_more"], hours["worth"]) == ("1 小时", "0.5")
    assert (hours["gain_points"], hours["room_points"]) == (1, 80)
    assert [way["gain_points"] for way in found["ways"]] == [4, 3, 3, 3, 1]


def test_a_way_that_is_full_is_not_named(programme: Programme, client: FlaskClient) -> None:
    today = current_day()
    days = [(today - timedelta(days=at)).isoformat() for at in range(8)]
    rows = [programme.hours(f"ZY-{at}", "20", day=day) for at, day in enumerate(days)]
    programme.deliver(HOURS, *rows, on=today)
    number = programme.people[0].id_number
    habit = ["WM-1", "1", "有效", number, "绿色习惯", "", today.isoformat()]
    programme.deliver("civility", habit, on=today)
    found = outlook(programme, client)
    named = {way["indicator"] for way in found["ways"]}
    assert named == {"302", "401"}  # the hours are full, and this month counts already

"""What ends soon, and the lawful ways to the next tier that everybody may take."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.records.queries import current_day
from app.scoring.outlook import UpcomingChange, list_changes
from app.scoring.queries import list_scores, scheme_in_force
from tests.records.programme import HOURS, Programme, build_programme
from tests.scoring.drafts import Draft, activate, later_text
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


HOURS_RULE = 'measure = "hours"\ncap = 80'


def changed_rules(today: date, rules: str) -> None:
    activate(later_text(effective_on=today, changes={HOURS_RULE: f"{HOURS_RULE}\n{rules}"}))


def changes_of(programme: Programme) -> tuple[UpcomingChange, ...]:
    today = current_day()
    scheme = scheme_in_force(on=today)
    assert scheme is not None
    return list_changes(citizen_id=programme.citizens[0], scheme=scheme, as_of=today)


def test_every_step_of_a_decay_is_told(programme: Programme) -> None:
    today = current_day()
    changed_rules(today, 'decay = "steps"\nsteps = [{ from_day = 100, share = "0.5" },'
                         ' { from_day = 110, share = "0.25" }]')  # fmt: skip
    programme.deliver(
        HOURS, programme.hours("ZY-1", "16", day=(today - timedelta(days=90)).isoformat()),
        on=today,
    )
    told = [((one.on - today).days, one.total, one.ending_count) for one in changes_of(programme)]
    assert told == [(10, 4, 0), (20, 2, 0)]


def test_of_a_linear_decay_the_days_are_told_on_which_the_total_changes(
    programme: Programme,
) -> None:
    today = current_day()
    changed_rules(today, 'decay = "linear"')
    day = today - timedelta(days=5)
    programme.deliver(HOURS, programme.hours("ZY-1", "20", day=day.isoformat()), on=today)
    # 10 x (365 - age) / 365 falls below 9.5 when the age is over 18.25 days.
    told = [((one.on - day).days, one.total) for one in changes_of(programme)]
    assert told == [(19, 9)]


def test_rules_that_were_only_proposed_change_nothing(programme: Programme) -> None:
    today = current_day()
    programme.deliver(HOURS, programme.hours("ZY-1", "16", day=today.isoformat()), on=today)
    Draft(later_text(effective_on=today + timedelta(days=9))).propose(notice_days=0)
    assert changes_of(programme) == ()


def test_a_way_ends_at_the_cap_of_its_period(programme: Programme, client: FlaskClient) -> None:
    today = current_day()
    changed_rules(today, 'period = "year"\nperiod_cap = "10"')
    ways = {way["indicator"]: way for way in outlook(programme, client)["ways"]}
    assert (ways["301"]["gain_points"], ways["301"]["room_points"]) == (1, 10)
    programme.deliver(HOURS, programme.hours("ZY-1", "18", day=today.isoformat()), on=today)
    ways = {way["indicator"]: way for way in outlook(programme, client)["ways"]}
    assert (ways["301"]["gain_points"], ways["301"]["room_points"]) == (1, 1)
    programme.deliver(HOURS, programme.hours("ZY-2", "9", day=today.isoformat()), on=today)
    assert "301" not in {way["indicator"] for way in outlook(programme, client)["ways"]}

"""Stored scores, tiers, and the citizen's own explanation over HTTP."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.records.queries import current_day
from app.scoring.operations import ScoreNotFound, open_score, refresh_scores
from app.scoring.queries import current_tier
from tests.records.programme import DAY, HOURS, Programme, build_programme
from tests.scoring.people import signed_in


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


def stored() -> dict[UUID, Any]:
    with reading() as session:
        return {row.citizen_id: row for row in session.execute(text("SELECT * FROM scores"))}


def honoured(programme: Programme, number: str, level: str, on: date) -> list[str]:
    person = programme.people[0]
    said = [level, "奖", "市政府", on.isoformat(), ""]
    return [number, "1", "有效", person.name, person.id_number, *said]


def evaluated(programme: Programme, number: str, on: date) -> list[str]:
    return [number, "1", "有效", programme.people[0].id_number, on.isoformat(), *["200"] * 5]


def test_a_delivery_refreshes_the_scores_of_its_members(programme: Programme) -> None:
    today = current_day()
    recent = today - timedelta(days=10)
    programme.deliver("public_credit", evaluated(programme, "PC-1", recent), on=today)
    programme.deliver("honours", honoured(programme, "RY-1", "一等功", recent), on=today)
    score = stored()[programme.citizens[0]]
    assert (score.total, score.tier, score.dimensions) == (620, "A", {"1": 500, "2": 120})
    assert (score.as_of_on, score.scheme_version) == (today, "2026.1")
    assert current_tier(programme.citizens[0]) == "A"
    assert current_tier(programme.citizens[1]) is None


def test_the_daily_refresh_follows_the_end_of_validity(programme: Programme) -> None:
    today = current_day()
    last = today - timedelta(days=364)
    programme.deliver("public_credit", evaluated(programme, "PC-1", last), on=today)
    assert stored()[programme.citizens[0]].total == 500
    refresh_scores(as_of=today, slices=3)
    assert stored()[programme.citizens[0]].total == 500
    with transaction() as session:
        session.execute(text("UPDATE scores SET computed_at = now() - interval '1 day'"))
    refresh_scores(as_of=today + timedelta(days=1), slices=3)
    score = stored()[programme.citizens[0]]
    assert (score.total, score.dimensions, score.as_of_on) == (0, {}, today + timedelta(days=1))


def test_r16_a_restricted_citizen_has_no_tier_and_no_score(programme: Programme) -> None:
    today = current_day()
    citizen = programme.citizens[0]
    programme.deliver("public_credit", evaluated(programme, "PC-1", today), on=today)
    programme.deliver("honours", honoured(programme, "RY-1", "一等功", today), on=today)
    assert current_tier(citizen) == "A"
    with transaction() as session:
        session.execute(text("UPDATE citizens SET status = 'restricted'"))
    assert current_tier(citizen) is None
    with pytest.raises(ScoreNotFound):
        open_score(keys=programme.keys, citizen_id=citizen)
    again = programme.deliver("public_credit", evaluated(programme, "PC-2", today), on=today)
    assert again.dropped_count == 1


def test_a_citizen_sees_the_score_and_how_far_the_next_tier_is(
    programme: Programme, client: FlaskClient
) -> None:
    today = current_day()
    programme.deliver("public_credit", evaluated(programme, "PC-1", today), on=today)
    programme.deliver("honours", honoured(programme, "RY-1", "县级", today), on=today)
    mine = signed_in(programme.citizens[0])
    score = client.get("/api/v1/me/score", headers=mine).get_json()
    assert (score["total"], score["tier"]) == (515, None)
    assert score["next_tier"] == {"code": "A", "missing_points": 35}
    assert score["scheme"]["version"] == "2026.1"
    assert [one["points"] for one in score["dimensions"]] == [500, 15, 0, 0]
    basic = score["indicators"][0]
    assert (basic["name"], basic["exact"], basic["points"]) == ("基本情况", "100", 100)
    assert "cap" in basic["illustrative"]
    other = client.get("/api/v1/me/score", headers=signed_in(programme.citizens[1])).get_json()
    assert (other["total"], other["tier"]) == (0, None)


def test_an_explanation_shows_every_line_and_why_one_does_not_count(
    programme: Programme, client: FlaskClient
) -> None:
    number = programme.people[0].id_number
    person = programme.people[0]
    programme.deliver(
        "civility",
        ["WM-1", "1", "有效", number, "文明家庭", "三星", "2026-05-01"],
        ["WM-2", "1", "有效", number, "文明家庭", "四星", "2026-01-01"],
        ["WM-3", "1", "有效", number, "绿色习惯", "", "2026-05-01"],
        ["WM-4", "1", "有效", number, "绿色习惯", "", "2026-05-31"],
    )
    gifts = [
        [f"JZ-{at}", "1", "有效", person.name, number, f"2026-05-0{at}", yuan, "慈善总会", ""]
        for at, yuan in ((1, "60"), (2, "50.5"), (3, "200"))
    ]
    programme.deliver("charity_donations", *gifts)
    mine = signed_in(programme.citizens[0])
    url = f"/api/v1/me/score/explanation?as_of={DAY}"
    explained = client.get(url, headers=mine).get_json()
    lines = {
        one["code"]: [(line["value"], line["not_counted"]) for line in one["lines"]]
        for one in explained["indicators"]
        if one["lines"]
    }
    assert lines == {
        "304": [("0", None), ("1", None), ("2", None)],
        "402": [("20", None), ("0", "best_of")],
        "403": [("2.5", None), ("0", "same_month")],
    }
    habit = next(one for one in explained["indicators"] if one["code"] == "403")
    assert (habit["exact"], habit["rounded"], habit["unit"]) == ("2.5", 3, "month")
    assert habit["lines"][0]["ends_on"] == "2027-05-01"
    assert explained["total"] == 3 + 20 + 3


def test_before_joining_there_is_no_score(programme: Programme, client: FlaskClient) -> None:
    mine = signed_in(programme.citizens[0])
    url = "/api/v1/me/score/explanation?as_of="
    answers = [client.get(url + day, headers=mine) for day in ("2026-01-04", "2026-01-05", "x")]
    assert [answer.status_code for answer in answers] == [404, 200, 422]
    assert answers[0].get_json()["code"] == "score_not_found"


def test_r28_the_rules_are_public(programme: Programme, client: FlaskClient) -> None:
    rules = client.get("/api/v1/schemes/current").get_json()
    assert (rules["code"], rules["version"]) == ("jinhua-xinyijin", "2026.1")
    hours = next(one for one in rules["indicators"] if one["code"] == "301")
    assert (hours["value"], hours["unit"], hours["cap"]) == ("0.5", "hour", 80)
    assert rules["points"]["daily_cap_points"] == 50
    assert len(rules["content_hash"]) == 64
    assert rules["document"].startswith("# 金华")


def test_nobody_else_reads_scores(programme: Programme, client: FlaskClient) -> None:
    assert client.get("/api/v1/me/score").status_code == 401
    report = programme.deliver(HOURS, programme.hours("ZY-1", "2"), delivery_id=new_id())
    assert "total" not in vars(report)

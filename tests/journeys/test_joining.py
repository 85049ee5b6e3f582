"""How people come into the programme, and how their records become a score."""

from __future__ import annotations

from datetime import date, timedelta

from tests.journeys.town import Town, today
from tests.records.programme import HOURS


def test_join_by_wechat(town: Town) -> None:
    person = town.person()
    citizen = town.join(person)
    me = town.get("/me", citizen.headers)
    assert me["joined_on"] == today().isoformat()
    assert [consent["purpose"] for consent in me["consents"]] == ["membership"]
    assert town.points(citizen) == (0, 0, 0)
    assert town.get("/me/score", citizen.headers)["tier"] is None

    # The next day: the phone signs in again, and the old session is ended.
    code = town.wechat.issue_login_code(openid=person.openid)
    again = town.client.post("/api/v1/sign-in/wechat", json={"code": code}).get_json()
    assert town.get("/me", {"Authorization": f"Bearer {again['tokens']['access_token']}"}) == me
    assert town.client.post("/api/v1/sign-out", headers=citizen.headers).status_code == 204
    assert town.client.get("/api/v1/me", headers=citizen.headers).status_code == 401
    lines = town.client.get(
        "/api/v1/me/trail", headers={"Authorization": f"Bearer {again['tokens']['access_token']}"}
    ).get_json()["lines"]
    assert [line["action"] for line in lines] == ["joined"]


def test_register_member_becomes_wechat_citizen(town: Town) -> None:
    person, joined_on = town.person(), date(2026, 2, 1)
    town.import_register(person, joined_on=joined_on)
    machine = town.department(HOURS)
    row = ["ZY-1", "1", "有效", person.id_number, today().isoformat(), "5", "河道清洁"]
    assert town.deliver(machine, HOURS, row)["accepted_count"] == 1

    citizen = town.join(person)
    assert town.get("/me", citizen.headers)["joined_on"] == joined_on.isoformat()
    assert town.points(citizen) == (50, 0, 50)
    assert town.get("/me/score", citizen.headers)["total"] == 3


def test_department_delivers_and_score_is_explained(town: Town) -> None:
    person, stranger = town.person(), town.person()
    citizen = town.join(person)
    machine = town.department("public_credit", HOURS)
    day, eve = today().isoformat(), (today() - timedelta(days=1)).isoformat()
    town.deliver(
        machine, "public_credit", ["PC-1", "1", "有效", person.id_number, day, *["200"] * 5]
    )
    report = town.deliver(
        machine, HOURS,
        ["ZY-1", "1", "有效", person.id_number, eve, "5.5", "社区图书整理"],
        ["ZY-2", "1", "有效", stranger.id_number, day, "3", "社区图书整理"],
        ["ZY-3", "1", "有效", person.id_number, day, "a lot", "社区图书整理"],
    )
    assert (report["accepted_count"], report["dropped_count"]) == (1, 1)
    assert report["refused_by_reason"] == {"bad_number": 1}

    score = town.get(f"/me/score/explanation?as_of={day}", citizen.headers)
    assert (score["total"], score["tier"]) == (503, None)
    assert score["next_tier"] == {"code": "A", "missing_points": 47}
    hours = next(one for one in score["indicators"] if one["code"] == "301")
    assert [line["value"] for line in hours["lines"]] == [hours["exact"]]
    entries = town.get("/me/points/entries", citizen.headers)["entries"]
    assert sum(entry["amount_points"] for entry in entries) == town.points(citizen)[0] > 0

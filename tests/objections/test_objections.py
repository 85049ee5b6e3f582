"""R15: what is objected to is marked, asked about, decided by a person in time, and corrected."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.working_days import load_calendar_year
from app.objections.clocks import Clocks
from app.objections.queries import objection_state
from tests.objections.desk import REASON, Desk, make_desk
from tests.records.programme import HOURS
from tests.redemptions.builders import make_clerk, publish_benefit
from tests.redemptions.checks import assert_redemptions_agree

YEAR_2030 = """
year = 2030
days_off = [2030-10-01, 2030-10-02, 2030-10-03, 2030-10-04, 2030-10-07]
working_weekends = [2030-09-29, 2030-10-12]
"""
DECIDED = "objection_decided"


@pytest.fixture
def desk(app: Flask) -> Desk:
    return make_desk(app)


def trail_of(desk: Desk) -> list[tuple[str, str]]:
    """What the citizen reads about their objections, oldest first."""
    status, found = desk.ask(desk.holder.headers, "GET", "/me/trail?limit=100")
    assert status == 200
    about = ("objection", "attachment")
    return [
        (line["action"], line["reason"])
        for line in reversed(found["lines"]) if line["action"].startswith(about)
    ]


def test_r15_an_item_is_marked_at_once_and_its_source_asked(desk: Desk) -> None:
    assert [one["is_disputed"] for one in desk.line()] == [False]
    objection_id = desk.objected()
    assert [one["is_disputed"] for one in desk.line()] == [True]
    made = desk.own(objection_id)
    assert (made["words"], made["machine_result"]["version"]) == ("时长记错了", 1)
    assert made["line"]["source_due_on"] < made["line"]["decide_due_on"]
    assert made["source_unit"].startswith("测试单位")

    status, asked = desk.ask(desk.source, "GET", "/source/objections")
    assert (status, [one["objection_id"] for one in asked["objections"]]) == (200, [objection_id])
    status, whole = desk.ask(desk.source, "GET", f"/source/objections/{objection_id}")
    assert (status, whole["words"]) == (200, "时长记错了")
    said = {"answer": "uphold", "reason": "签到表显示为12小时"}
    path = f"/source/objections/{objection_id}/answer"
    assert desk.ask(desk.source, "POST", path, said)[0] == 200
    assert desk.ask(desk.source, "POST", path, said)[0] == 200
    other = {**said, "answer": "correct"}
    assert desk.ask(desk.source, "POST", path, other) == (409, "objection_answered")
    assert desk.own(objection_id)["answer_reason"] == "签到表显示为12小时"

    status, whole = desk.ask(
        desk.first, "POST", f"/objections/{objection_id}/reading", {"reason": REASON}
    )
    assert (status, whole["answer_reason"]) == (200, "签到表显示为12小时")
    assert desk.decide(desk.first, objection_id, outcome="rejected")[0] == 200
    made = desk.own(objection_id)
    assert [
        (one["outcome"], one["reasons"], one["decided_by"]) for one in made["decisions"]
    ] == [("rejected", "经核对", "窗口")]
    assert [one["is_disputed"] for one in desk.line()] == [False]
    assert desk.decide(desk.first, objection_id, outcome="rejected") == (409, DECIDED)
    assert trail_of(desk) == [
        ("objection_read", ""), ("objection_answered", ""), ("objection_read", REASON),
        ("objection_decided", ""),
    ]


def test_r15_two_persons_void_a_record_by_new_entries(desk: Desk) -> None:
    before = desk.ask(desk.holder.headers, "GET", "/me/score")[1]["total"]
    objection_id = desk.objected(reason="not_me")
    upheld: dict[str, Any] = {"outcome": "upheld", "remedy": "voided"}
    assert desk.decide(desk.first, objection_id, **upheld)[0] == 200
    assert desk.confirm(desk.first, objection_id, word=True) == (403, "second_person_needed")
    assert desk.confirm(desk.second, objection_id, word=False)[1]["state"] == "open"
    assert desk.confirm(desk.second, objection_id, word=True) == (409, "objection_not_proposed")
    assert desk.decide(desk.first, objection_id, **upheld)[1]["state"] == "proposed"
    assert [one["is_disputed"] for one in desk.line()] == [True]
    assert desk.confirm(desk.second, objection_id, word=True)[1]["state"] == "decided"
    assert desk.line() == []
    assert desk.ask(desk.holder.headers, "GET", "/me/score")[1]["total"] < before
    decision = desk.own(objection_id)["decisions"][0]
    assert (decision["remedy"], decision["void_version"]) == ("voided", 2)
    assert decision["confirmed_by"] == "窗口"
    with reading() as session:
        versions = session.execute(
            text("SELECT version, is_void, replaced_on IS NULL FROM records"
                 " WHERE record_number = :number ORDER BY version"), {"number": desk.number},
        ).all()
        kept = session.execute(
            text("SELECT count(*) FROM record_grants WHERE record_number = :number AND in_force"),
            {"number": desk.number},
        ).scalar_one()
    assert [tuple(row) for row in versions] == [(1, False, False), (2, True, True)]
    assert kept == 0
    assert_redemptions_agree()


def test_r15_upheld_by_the_sources_correction_when_it_is_there(desk: Desk) -> None:
    objection_id = desk.objected()
    upheld = {"outcome": "upheld", "remedy": "source_corrected"}
    missing = (409, "objection_correction_missing")
    assert desk.decide(desk.first, objection_id, **upheld) == missing
    desk.deliver(2, "9")
    assert [(one["version"], one["is_disputed"]) for one in desk.line()] == [(2, True)]
    assert desk.decide(desk.first, objection_id, **upheld)[0] == 200
    assert [(one["version"], one["is_disputed"]) for one in desk.line()] == [(2, False)]
    unfit = (422, "objection_remedy_unfit")
    again = desk.objected()
    for body in (
        {"outcome": "upheld"}, {"outcome": "rejected", "remedy": "other"},
        {"outcome": "upheld", "remedy": "other"},
    ):
        assert desk.decide(desk.first, again, **body) == unfit


def test_r12_a_second_look_is_had_by_others_and_keeps_the_machines_result(desk: Desk) -> None:
    line = desk.line()[0]
    shown = desk.ask(desk.holder.headers, "GET", "/me/score")[1]
    indicator = next(
        one["code"] for one in shown["indicators"] if one["line_count"] and one["points"]
    )
    objection_id = desk.objected(kind="score_line", indicator=indicator, reason="wrong_points")
    frozen = desk.own(objection_id)["machine_result"]
    assert (frozen["total"], frozen["line_value"]) == (shown["total"], line["value"])
    look = f"/me/objections/{objection_id}/second-look"
    early = desk.ask(desk.holder.headers, "POST", look)
    assert early == (409, "second_look_unneeded")
    desk.move(objection_id, source_due_on=-1)
    assert desk.decide(desk.first, objection_id, outcome="rejected")[0] == 200
    desk.move(objection_id, second_look_until=-1)
    assert desk.ask(desk.holder.headers, "POST", look) == (409, "second_look_late")
    desk.move(objection_id, second_look_until=0)
    for _ in range(2):
        status, again = desk.ask(desk.holder.headers, "POST", look)
        assert (status, again["line"]["state"], again["line"]["round"]) == (200, "open", 2)
    assert desk.line()[0]["is_disputed"]
    upheld: dict[str, Any] = {"outcome": "upheld", "remedy": "voided"}
    assert desk.decide(desk.first, objection_id, **upheld) == (403, "other_person_needed")
    assert desk.decide(desk.second, objection_id, **upheld)[0] == 200
    assert desk.confirm(desk.first, objection_id, word=True) == (403, "other_person_needed")
    assert desk.confirm(desk.third, objection_id, word=True)[0] == 200
    made = desk.own(objection_id)
    assert [one["outcome"] for one in made["decisions"]] == ["rejected", "upheld"]
    assert made["machine_result"] == frozen  # as it was filed, whatever the score is now


def test_r15_redemptions_and_refused_claims_can_be_objected_to(desk: Desk) -> None:
    ticket = publish_benefit(desk.app, price_points=10)
    clerk = make_clerk(desk.app, takes=(ticket,))
    refused, unknown = new_id(), (404, "objection_item_unknown")
    assert desk.holder.claim(desk.client, publish_benefit(
        desk.app, price_points=1_000_000
    ), refused).status_code == 409
    free = publish_benefit(desk.app, price_points=0)
    clerk = make_clerk(desk.app, takes=(free,))
    voucher_id = desk.holder.claimed(desk.client, free)

    def about(kind: str, item_id: object) -> dict[str, Any]:
        return desk.body(
            kind=kind, item_id=str(item_id), record_type=None, record_number=None,
            reason="wrongly_refused",
        )

    def file(body: dict[str, Any]) -> tuple[int, Any]:
        return desk.ask(desk.holder.headers, "POST", "/me/objections", body)

    assert file(about("redemption", voucher_id)) == unknown  # not redeemed yet
    assert file(about("claim", voucher_id)) == unknown  # not refused
    assert file(about("order", voucher_id)) == unknown
    code = desk.holder.voucher_code(desk.client, voucher_id)
    assert clerk.redeem(desk.client, code=code).status_code == 200
    assert [one["is_disputed"] for one in clerk.today(desk.client)] == [False]
    status, made = file(about("redemption", voucher_id))
    assert (status, made["line"]["source_due_on"]) == (201, None)
    assert [one["is_disputed"] for one in clerk.today(desk.client)] == [True]
    objection_id = made["line"]["objection_id"]
    upheld = {"outcome": "upheld", "remedy": "other"}
    assert desk.decide(desk.first, objection_id, **upheld)[0] == 200
    assert [one["is_disputed"] for one in clerk.today(desk.client)] == [False]
    status, made = file(about("claim", refused))
    assert (status, made["machine_result"]["refusal_code"]) == (201, "insufficient_points")


def test_an_objection_is_filed_once(desk: Desk) -> None:
    body = desk.body()

    def file(changed: dict[str, Any]) -> tuple[int, Any]:
        return desk.ask(desk.holder.headers, "POST", "/me/objections", changed)

    assert file(body)[0] == file(body)[0] == 201
    assert file(body | {"words": "别的话"}) == (422, "id_reused")
    assert file(body | {"objection_id": str(new_id())}) == (409, "objection_pending")
    assert file(desk.body(record_number="N-unknown")) == (404, "objection_item_unknown")
    assert file(desk.body(words="长" * 1_001))[0] == 422
    assert file(desk.body(reason="because"))[0] == 422
    assert file(desk.body(item_id=str(new_id())))[0] == 422
    listed = desk.ask(desk.holder.headers, "GET", "/me/objections")[1]["objections"]
    assert [one["objection_id"] for one in listed] == [body["objection_id"]]
    with reading() as session:
        kept = session.execute(text("SELECT words_sealed FROM objections")).scalar_one()
    assert "时长".encode() not in bytes(kept)


def test_r15_terms_end_with_a_working_day(app: Flask) -> None:
    load_calendar_year(YEAR_2030)
    clocks, monday = Clocks(), date(2030, 9, 30)
    assert clocks.source_due_on(monday) == date(2030, 10, 9)
    assert clocks.decide_due_on(monday) == date(2030, 10, 12)  # a Saturday that is worked
    assert clocks.extended_until(date(2030, 10, 9)) == date(2030, 10, 12)
    assert clocks.decide_due_on(date(2030, 9, 28)) == date(2030, 10, 10)  # from a free Saturday
    assert clocks.source_due_on(date(2030, 9, 29)) == date(2030, 10, 8)  # from a working Sunday
    assert clocks.second_look_until(date(2030, 10, 12)) == date(2030, 10, 25)
    assert Clocks(decide_days=1).decide_due_on(date(2030, 10, 7)) == date(2030, 10, 8)


def test_r15_the_source_has_its_days_and_asks_for_more_once(desk: Desk) -> None:
    objection_id = desk.objected()
    path = f"/source/objections/{objection_id}/extension"
    more = {"reason": "需调取纸质签到表"}
    desk.move(objection_id, source_due_on=0)
    asked = (409, "objection_source_asked")
    assert desk.decide(desk.first, objection_id, outcome="rejected") == asked
    status, extended = desk.ask(desk.source, "POST", path, more)
    assert (status, extended["source_is_extended"]) == (200, True)
    assert extended["source_due_on"] == Clocks().extended_until(desk.today).isoformat()
    refused = (409, "objection_extension_refused")
    assert desk.ask(desk.source, "POST", path, more) == refused
    with transaction() as session:
        session.execute(text("UPDATE objections SET source_is_extended = false"))
    desk.move(objection_id, source_due_on=-1)
    assert desk.ask(desk.source, "POST", path, more) == refused  # too late
    assert objection_state()["objection_answers_late"] == 1
    late = {"answer": "withdraw", "reason": "录入有误"}
    answer = f"/source/objections/{objection_id}/answer"
    assert desk.ask(desk.source, "POST", answer, late)[0] == 200
    assert objection_state()["objection_answers_late"] == 0


def test_r15_a_silent_source_with_all_its_days_makes_no_decision_late(desk: Desk) -> None:
    objection_id, more = desk.objected(), {"reason": "需调取纸质签到表"}
    extension = f"/source/objections/{objection_id}/extension"
    assert desk.ask(desk.source, "POST", extension, more)[0] == 200
    line = desk.own(objection_id)["line"]
    assert line["source_due_on"] == line["decide_due_on"]  # all its days are those of the decision
    desk.move(objection_id, source_due_on=1, decide_due_on=1)  # the day before the last
    asked = (409, "objection_source_asked")
    assert desk.decide(desk.first, objection_id, outcome="rejected") == asked
    desk.move(objection_id, source_due_on=0, decide_due_on=0)  # the last
    assert desk.decide(desk.first, objection_id, outcome="rejected")[0] == 200
    assert objection_state()["objections_late"] == 0


def test_r15_what_is_at_risk_is_seen_before_the_term_is_over(desk: Desk) -> None:
    objection_id = desk.objected()
    next_day = (Clocks(decide_days=1).decide_due_on(desk.today) - desk.today).days

    def seen() -> tuple[list[str], float, float]:
        found = desk.ask(desk.first, "GET", "/objections?at_risk=true")[1]["objections"]
        state = objection_state()
        ids = [one["objection_id"] for one in found]
        return ids, state["objections_at_risk"], state["objections_late"]

    assert seen() == ([], 0, 0)
    for days, late in ((next_day, 0), (0, 0), (-1, 1)):
        desk.move(objection_id, decide_due_on=days)
        assert seen() == ([objection_id], 1, late)
    every = desk.ask(desk.first, "GET", "/objections")[1]["objections"]
    assert [one["objection_id"] for one in every] == [objection_id]
    assert [one["record_type"] for one in every] == [HOURS]


def test_another_source_is_asked_nothing(desk: Desk, app: Flask) -> None:
    objection_id, other = desk.objected(), make_desk(app)
    unknown = (404, "objection_unknown")
    assert desk.ask(other.source, "GET", "/source/objections")[1] == {"objections": []}
    for method, path, body in (
        ("GET", "", None), ("POST", "/answer", {"answer": "uphold", "reason": "核对"}),
        ("POST", "/extension", {"reason": "需要更多时间"}),
    ):  # fmt: skip
        assert desk.ask(
            other.source, method, f"/source/objections/{objection_id}{path}", body
        ) == unknown
    assert other.ask(other.holder.headers, "GET", f"/me/objections/{objection_id}") == unknown

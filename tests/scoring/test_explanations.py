"""Why each point is there: words, caps, provenance, pages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.records.catalogue import load_catalogue
from app.scoring.scheme import Scheme, parse_scheme, read_scheme_file
from app.scoring.wording import describe_line, describe_rule
from demo.load import SCHEME
from tests.records.programme import DAY, HOURS, Programme, build_programme
from tests.scoring.people import signed_in

URL = "/api/v1/me/score"


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


@pytest.fixture(scope="module")
def jinhua() -> Scheme:
    return parse_scheme(read_scheme_file(SCHEME), catalogue=load_catalogue())


def explained(client: FlaskClient, headers: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = client.get(f"{URL}/explanation", headers=headers, query_string=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def of_indicator(found: dict[str, Any], code: str) -> dict[str, Any]:
    return next(one for one in found["indicators"] if one["code"] == code)


def test_r11_d12_a_line_says_what_it_is_worth_until_when_and_where_it_came_from(
    programme: Programme, client: FlaskClient
) -> None:
    delivery_id = new_id()
    programme.deliver(
        HOURS, programme.hours("ZY-0", "x"), programme.hours("ZY-1", "3"), delivery_id=delivery_id
    )
    mine = signed_in(programme.citizens[0])
    hours = of_indicator(explained(client, mine, as_of=DAY), "301")
    assert hours["wording"] == "1 小时 0.5 分；最多 80 分；自发生之日起 365 天内计分"
    (line,) = hours["lines"]
    assert line["wording"] == "志愿服务时长：3 小时 × 0.5 = 1.5 分"
    assert (line["record_number"], line["version"]) == ("ZY-1", 1)
    assert (line["event_on"], line["ends_on"]) == ("2026-05-02", "2027-05-02")
    assert line["legal_basis"]
    origin = line["origin"]
    assert origin["source_unit"] == f"测试单位 {programme.source_id}"
    assert (origin["delivery_id"], origin["row_number"]) == (str(delivery_id), 3)
    assert origin["delivered_on"] == DAY.isoformat()
    assert origin["received_at"] == programme.sent[0].created_at.isoformat()


def test_what_a_cap_takes_is_told_line_by_line_and_for_the_whole(
    programme: Programme, client: FlaskClient
) -> None:
    days = [date(2026, 1, 1).replace(day=day) for day in range(1, 10)]
    rows = [programme.hours(f"ZY-{at}", "20", day=day.isoformat()) for at, day in enumerate(days)]
    programme.deliver(HOURS, *rows)
    found = explained(client, signed_in(programme.citizens[0]), as_of=DAY)
    hours = of_indicator(found, "301")
    assert (hours["exact"], hours["rounded"], hours["points"]) == ("90", 90, 80)
    assert hours["taken_by_cap"] == 10
    assert [line["over_cap"] for line in hours["lines"]] == ["0"] * 8 + ["10"]
    good = next(one for one in found["dimensions"] if one["code"] == "3")
    assert (good["points_before_cap"], good["points"], good["taken_by_cap"]) == (80, 80, 0)


def test_an_explanation_is_read_page_by_page(programme: Programme, client: FlaskClient) -> None:
    rows = [programme.hours(f"ZY-{at}", "1") for at in range(5)]
    programme.deliver(HOURS, *rows)
    number = programme.people[0].id_number
    programme.deliver("civility", ["WM-1", "1", "有效", number, "绿色习惯", "", "2026-05-01"])
    mine = signed_in(programme.citizens[0])
    whole = explained(client, mine, as_of=DAY)
    assert (whole["line_count"], whole["next_after_line"]) == (6, None)
    pages = []
    for after in (0, 2, 4):
        page = explained(client, mine, as_of=DAY, limit=2, after_line=after)
        assert (page["total"], page["line_count"]) == (whole["total"], 6)
        pages.append([line for one in page["indicators"] for line in one["lines"]])
        assert page["next_after_line"] == (after + 2 if after < 4 else None)
    lines = [line for one in whole["indicators"] for line in one["lines"]]
    assert [line for page in pages for line in page] == lines


def test_r11_d12_the_score_of_another_day_names_its_rules(
    programme: Programme, client: FlaskClient
) -> None:
    programme.deliver(HOURS, programme.hours("ZY-1", "3"))
    mine = signed_in(programme.citizens[0])

    def total(day: str) -> int:
        answer = client.get(URL, headers=mine, query_string={"as_of": day}).get_json()
        assert answer["scheme"]["version"] == "2026.1"
        assert answer["as_of_on"] == day
        return int(answer["total"])

    assert [total(day) for day in ("2026-06-11", "2026-06-12", "2027-05-01", "2027-05-02")] == [
        0, 2, 2, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "item", "numbers", "expected"),
    [
        ("101", None, ("151", "75.5"), "基本情况：评价结果 151 × 0.5 = 75.5 分"),
        ("204", "县级", ("1", "15"), "其他荣誉：县级 1 次 × 15 = 15 分"),
        ("205", "一等功", ("1", "120"), "一等功：一等功 1 次 × 120 = 120 分（只计一次）"),
        ("304", None, ("150", "1"), "慈善捐赠：150 元（按累计每满 100 元计），计 1 分"),
        ("402", "文明家庭/四星", ("1", "0"), "文明家庭：四星 1 次，计 0 分"),
        ("403", "绿色习惯", ("1", "2.5"), "绿色习惯：2026 年 5 月 1 次 × 2.5 = 2.5 分"),
    ],
)
def test_lines_are_told_in_words(
    jinhua: Scheme, code: str, item: str | None, numbers: tuple[str, str], expected: str
) -> None:
    rule = next(one for one in jinhua.indicators if one.code == code)
    quantity, value = map(Decimal, numbers)
    said = describe_line(
        rule, event_on=date(2026, 5, 2), item=item, quantity=quantity, value=value
    )
    assert said == expected


def test_rules_are_told_in_words(jinhua: Scheme) -> None:
    said = {one.code: describe_rule(one) for one in jinhua.indicators}
    assert said["101"] == "最新一期评价结果 × 0.5；最多 100 分；自发生之日起 365 天内计分"
    assert said["206"] == "二等功 80 分；最多 160 分；长期有效"
    assert said["304"].startswith("每满 100 元 1 分；")
    assert said["402"].startswith("五星 30 分、四星 20 分、三星 10 分（只计最高一项）；")

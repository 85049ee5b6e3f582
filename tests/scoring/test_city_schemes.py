"""The schemes that ship, with figures worked by hand; Jinhua has its own acceptance set."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.records.catalogue import load_catalogue
from app.scoring.operations import insert_scheme
from app.scoring.queries import list_indicator_points, list_scores
from app.scoring.scheme import Scheme, catalogue_code, parse_scheme, read_scheme_file
from tests.scoring import scheme_oracle
from tests.scoring.scheme_oracle import Fact
from tests.scoring.test_random_households import Adult, keep_town
from tests.scoring.test_random_schemes import keep_facts


def published(name: str) -> Scheme:
    document = read_scheme_file(name)
    scheme = parse_scheme(document, catalogue=load_catalogue(catalogue_code(document)))
    with transaction() as session:
        insert_scheme(session, scheme)
    return scheme


def facts(*rows: tuple[str, str, str | None, dict[str, str]]) -> list[Fact]:
    return [
        Fact(kind, f"N{at}", date.fromisoformat(on), item, measures)
        for at, (kind, on, item, measures) in enumerate(rows)
    ]


def citizen_with(some: list[Fact]) -> UUID:
    """A member, who is a household too."""
    with transaction() as session:
        citizen = new_id()
        session.execute(
            text("INSERT INTO citizens (citizen_id, joined_on) VALUES (:id, '2020-01-01')"),
            {"id": citizen},
        )
        alone = Adult(0, date(2020, 1, 1), "given", "active", some)
        keep_town(session, [citizen], [alone])
        keep_facts(session, citizen, some)
    return citizen


QUZHOU = facts(
    # 820.5 x 0.6 = 492.3
    ("provincial_score", "2025-12-31", None, {"score": "820.5"}),
    ("civility", "2026-01-10", "文明劝导", {}),
    ("civility", "2026-01-11", "文明劝导", {}),
    ("civility", "2026-02-11", "文明劝导", {}),
    # One quarter: 4 x 3 + 2.5 x 2 = 17, cut at 15.  The next: 2.5.  17.5 -> 18.
    ("civility", "2026-02-12", "有礼行为", {}),
    ("civility", "2026-03-31", "有礼行为", {}),
    ("civility", "2026-04-01", "有礼行为", {}),
    # 365 days later half of it: 25 x 0.5 = 12.5 -> 13
    ("workforce", "2025-06-30", "行业表彰", {}),
    # The best of each month counts once a month: 8 + 6
    ("network_conduct", "2026-05-01", "网络文明志愿", {}),
    ("network_conduct", "2026-05-31", "辟谣协助", {}),
    ("network_conduct", "2026-06-01", "网络文明志愿", {}),
)
LONGYOU = facts(
    # January: 3 + 5 + 8 + 3 + 5 = 24, cut at 20.  March: 8.
    *(("safety", "2026-01-05", item, {}) for item in
      ("安全用电", "安全用火", "平安巡防", "反诈宣传", "交通守法")),
    ("safety", "2026-03-05", "平安巡防", {}),
    ("village_conduct", "2026-03-06", "移风易俗", {}),
    ("credit_building", "2025-06-30", "按时缴费", {}),  # ran out today
)  # fmt: skip
XIANGSHAN = facts(
    # Worth (360 - age) / 360: 10 points of 90 days ago are 7.5, 6 of 180 days ago are 3.
    ("common_items", "2026-04-01", "信用承诺", {}),
    ("common_items", "2026-01-01", "按时缴费", {}),
    # A quarter gives 20 at most: 5 x 6 x 270/360 = 22.5 -> 20
    *(("village_items", "2026-04-01", "海塘巡护", {}),) * 5,
)
HANGZHOU = facts(
    # 350 + 800 x 0.35 = 630
    ("public_credit", "2026-03-31", None, {"score": "800"}),
    # A quarter gives 30 at most: 24 x 1.5 = 36 -> 30; 5 x 1.5 = 7.5; 37.5 -> 38
    ("volunteer_hours", "2026-01-10", None, {"hours": "24"}),
    ("volunteer_hours", "2026-04-10", None, {"hours": "5"}),
    # Two of one year 50, as many as the cap
    ("blood_donations", "2025-08-01", None, {}),
    ("blood_donations", "2025-12-01", None, {}),
    ("honours", "2024-01-01", "省级", {}),
    ("honours", "2025-01-01", "市级", {}),
    ("promises", "2026-01-01", "信用承诺履行", {}),
)
ARREARS = facts(("court_arrears", "2023-07-02", "未履行", {}))


@pytest.mark.parametrize(("name", "some", "on", "points", "total", "tier"), [
    ("quzhou-xinanfen-2026.1", QUZHOU, "2026-06-30",
     {"101": 492, "202": 18, "401": 13, "501": 14}, 537, "C"),
    ("longyou-gongde-2026.1", [], "2026-06-30", {"001": 200}, 200, None),
    ("longyou-gongde-2026.1", LONGYOU, "2026-06-30", {"001": 200, "101": 28, "201": 8}, 236, None),
    ("xiangshan-chengxin-2026.1", XIANGSHAN, "2026-06-30",
     {"101": 60, "201": 11, "301": 20}, 91, None),
    ("hangzhou-chengxinka-2026.1", HANGZHOU, "2026-06-30",
     {"101": 350, "102": 280, "201": 38, "202": 50, "301": 70, "401": 6}, 794, "excellent"),
    # A minus item takes 60 to its last day and nothing after, by itself.
    ("hangzhou-chengxinka-2026.1", ARREARS, "2026-06-30", {"101": 350, "402": -60}, 290, None),
    ("hangzhou-chengxinka-2026.1", ARREARS, "2026-07-01", {"101": 350}, 350, None),
])  # fmt: skip
def test_worked_figures(
    app: Flask, *, name: str, some: list[Fact], on: str, points: dict[str, int], total: int,
    tier: str | None,
) -> None:  # fmt: skip
    scheme, day = published(name), date.fromisoformat(on)
    citizen = citizen_with(some)
    listed = list_indicator_points(scheme=scheme, as_of=day, citizen_ids=[citizen])
    assert {one.indicator: one.points for one in listed if one.points} == points
    [score] = list_scores(scheme=scheme, as_of=day, citizen_ids=[citizen])
    assert (score.total, score.tier) == (total, tier)
    again, sum_of_all = scheme_oracle.total(tomllib.loads(scheme.document), some, day)
    assert {code: value for code, value in again.items() if value} == points
    assert sum_of_all == total


def test_what_is_given_is_in_the_files() -> None:
    texts = {name: tomllib.loads(read_scheme_file(f"{name}-2026.1")) for name in (
        "longyou-gongde", "xiangshan-chengxin", "hangzhou-chengxinka")}  # fmt: skip
    modules = texts["longyou-gongde"]["indicator"][1:]
    assert [len(module["items"]) for module in modules] == [15, 15, 15]
    assert Decimal(texts["longyou-gongde"]["indicator"][0]["value"]) == 200
    assert len(texts["xiangshan-chengxin"]["indicator"][1]["items"]) == 19
    assert len(texts["xiangshan-chengxin"]["indicator"][2]["items"]) == 9
    bands = [tier["least_total"] for tier in texts["hangzhou-chengxinka"]["tier"]]
    assert bands == [550, 600, 700, 750]

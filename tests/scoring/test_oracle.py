"""Random histories: the database and the plain Python of the oracle agree on everything."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from flask import Flask

from app.ledger.queries import points_as_of
from app.scoring.queries import list_indicator_points, list_scores, scheme_in_force
from tests.records.programme import Programme, build_programme
from tests.scoring import oracle
from tests.scoring.oracle import Said

DELIVERED = (date(2026, 5, 1), date(2026, 6, 10), date(2026, 7, 20), date(2026, 9, 1))
EVENTS = (
    date(2024, 5, 20), date(2024, 7, 1), date(2024, 8, 3), date(2025, 6, 10), date(2025, 9, 1),
    date(2026, 2, 28), date(2026, 3, 1), date(2026, 4, 15), date(2026, 4, 16),
)  # fmt: skip
KINDS = (
    "public_credit", "honours", "volunteer_hours", "community_service", "blood_donations",
    "charity_donations", "good_deeds", "civility", "points_orders",
)  # fmt: skip
PEOPLE = 4
ROWS = 14


def items_of(kind: str) -> tuple[str, ...]:
    return {
        "honours": tuple(oracle.HONOURS), "good_deeds": tuple(oracle.DEEDS),
        "civility": (*oracle.COURSES, *oracle.STARS, "绿色习惯"),
    }.get(kind, ("",))  # fmt: skip


def values_of(dice: random.Random, kind: str) -> tuple[str, ...]:
    def tenths(most: int) -> str:
        return str(dice.randint(1, most * 10) / 10)

    return {
        "public_credit": tuple(tenths(200) for _ in range(5)), "volunteer_hours": (tenths(24),),
        "charity_donations": (f"{dice.randint(1, 60_000) / 100:.2f}",),
        "points_orders": (str(dice.choice([20, 60, 100, 250])),),
    }.get(kind, ())  # fmt: skip


def said(dice: random.Random, kind: str, on: date) -> tuple[int, Said]:
    who, order = dice.randrange(PEOPLE), kind == "points_orders"
    return who, Said(
        kind=kind,
        number=f"{kind}-{who}-{dice.randint(1, 40 if order else 7)}",
        version=1 if order else dice.randint(1, 4),
        void=not order and dice.random() < 0.2,
        event_on=dice.choice(EVENTS),
        delivered_on=on,
        item=dice.choice(items_of(kind)),
        values=values_of(dice, kind),
    )


def line(programme: Programme, who: int, row: Said) -> list[str]:
    person, day = programme.people[who], row.event_on.isoformat()
    if row.kind == "points_orders":
        return [row.number, person.id_number, day, row.values[0], "电影票"]
    head = [row.number, str(row.version), "作废" if row.void else "有效"]
    named = row.kind in {"honours", "blood_donations", "charity_donations", "good_deeds"}
    head += [person.name, person.id_number] if named else [person.id_number]
    if row.kind == "civility":
        group = (
            "文明课程" if row.item in oracle.COURSES
            else "文明家庭" if row.item in oracle.STARS else row.item
        )  # fmt: skip
        return [*head, group, "" if group == row.item else row.item, day]
    rest = {
        "public_credit": [day, *row.values], "volunteer_hours": [day, *row.values, "活动"],
        "community_service": [day, "社区", "服务"], "honours": [row.item, "名", "单位", day, ""],
        "blood_donations": [day, "3307000000000001", "点"],
        "charity_donations": [day, *row.values, "会", ""],
        "good_deeds": [day, row.item, "号", "事"],
    }[row.kind]  # fmt: skip
    return [*head, *rest]


def history(programme: Programme, seed: int) -> list[list[Said]]:
    """Deliver random files; what each person's rows were, in order."""
    dice = random.Random(seed)
    told: list[list[Said]] = [[] for _ in range(PEOPLE)]
    for on in DELIVERED:
        for kind in KINDS:
            rows = [said(dice, kind, on) for _ in range(ROWS)]
            report = programme.deliver(
                kind, *(line(programme, who, row) for who, row in rows), on=on
            )
            wrong = set(report.refused_by_reason) - {"version_conflict", "insufficient_points"}
            assert (report.row_count, wrong) == (ROWS, set())
            for who, row in rows:
                told[who].append(row)
    return told


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_database_agrees_with_the_oracle(app: Flask, seed: int) -> None:
    programme = build_programme(app, people=PEOPLE)
    told = history(programme, seed)
    days = [on + timedelta(days=after) for on in DELIVERED for after in (0, 9, 41)]
    shortfalls = 0
    for on in [*days, date(2027, 3, 1)]:
        scheme = scheme_in_force(on=on)
        assert scheme is not None
        ids = programme.citizens
        scores = list_scores(scheme=scheme, as_of=on, citizen_ids=ids)
        listed = list_indicator_points(scheme=scheme, as_of=on, citizen_ids=ids)
        for rows, score in zip(told, scores, strict=True):
            found = {
                one.indicator: one.points
                for one in listed
                if one.citizen_id == score.citizen_id and one.points
            }
            assert (found, score.dimensions, score.total) == oracle.score(rows, on)
            held = points_as_of(citizen_id=score.citizen_id, on=on)
            assert (dict(held.lots), held.shortfall_points) == oracle.points(rows, on)
            shortfalls += held.shortfall_points
    assert shortfalls > 0  # the histories reach the corner that matters

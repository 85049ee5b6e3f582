"""R11: a score is the sum of its lines, and the result of a past day stays what it was that day.

Exactly: of each indicator its starting value, where it has one, or else its lines; rounded and cut
at its cap, which holds both ways; added up and cut by dimension, and in all; never below zero.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.scoring.explanations import ExplainedScore, IndicatorScore, explain_score
from app.scoring.operations import refresh_scores
from app.scoring.queries import scheme_in_force
from app.scoring.refreshing import store_scores
from app.scoring.scheme import DIRECTORY, Rule, Scheme
from tests.conftest import Sized, size
from tests.records.programme import Programme, build_programme
from tests.scoring.scheme_oracle import Fact
from tests.scoring.test_city_schemes import citizen_with
from tests.scoring.test_household_scores import publish
from tests.scoring.test_oracle import DELIVERED, KINDS, PEOPLE, ROWS, line, said

ALMOST = Decimal("1e-9")  # a line of linear decay is divided by itself
Result = tuple[int, str | None, dict[str, int]]


def explained(citizen_id: UUID, on: date) -> ExplainedScore:
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    return explain_score(scheme=scheme, as_of=on, citizen_id=citizen_id)


def exact(one: IndicatorScore) -> Decimal:
    """What an indicator is worth by its starting value or its lines alone."""
    if one.indicator.rule is Rule.BASE:
        assert (one.line_count, one.lines) == (0, ())
        assert one.indicator.value is not None
        return one.indicator.value
    return sum((entry.value for entry in one.lines), Decimal(0))


def within(cap: int, value: Decimal) -> Decimal:
    return max(Decimal(-cap), min(Decimal(cap), value))


def sum_of_lines(found: ExplainedScore) -> Result:
    """The result worked out from the starting values and lines alone."""
    by_dimension = dict.fromkeys(found.score.dimensions, 0)
    for one in found.indicators:
        value, cap = exact(one), one.indicator.cap
        assert abs(value - one.exact) < ALMOST
        rounded = one.exact.quantize(Decimal(1), ROUND_HALF_UP)
        by_dimension[one.indicator.dimension] += int(within(cap, rounded))
        if one.lines:
            counted = sum((entry.value - entry.over_cap for entry in one.lines), Decimal(0))
            assert abs(counted - within(cap, value)) < ALMOST
    caps = {one.code: one.cap for one in found.scheme.dimensions}
    dimensions = {code: min(points, caps[code]) for code, points in by_dimension.items()}
    total = max(0, min(sum(dimensions.values()), found.scheme.total_cap))
    reached = [tier for tier in found.scheme.tiers if tier.least_total <= total]
    best = max(reached, key=lambda tier: tier.least_total, default=None)
    return total, best.code if best else None, dimensions


def result_of(found: ExplainedScore) -> Result:
    return found.score.total, found.score.tier, found.score.dimensions


def stored(citizen_id: UUID) -> tuple[int, str | None]:
    with reading() as session:
        row = session.execute(
            text("SELECT total, tier FROM scores WHERE citizen_id = :citizen"),
            {"citizen": citizen_id},
        ).one_or_none()
    return (0, None) if row is None else (row.total, row.tier)


def deliver_all(programme: Programme, dice: random.Random, on: date) -> None:
    for kind in KINDS:
        rows = [said(dice, kind, on) for _ in range(ROWS)]
        programme.deliver(kind, *(line(programme, who, row) for who, row in rows), on=on)


@pytest.mark.sized
@pytest.mark.parametrize("seed", range(11, 11 + size(ci=2, full=40)))
def test_r11_stored_explained_and_remembered_results_are_one(app: Flask, seed: int) -> None:
    programme = build_programme(app, people=PEOPLE)
    dice = random.Random(seed)
    remembered: dict[tuple[UUID, date], Result] = {}
    for on in DELIVERED:
        deliver_all(programme, dice, on)
        for day in (on, on + timedelta(days=5)):  # the days before the next delivery
            refresh_scores(as_of=day, slices=2)
            for citizen_id in programme.citizens:
                found = explained(citizen_id, day)
                assert result_of(found) == sum_of_lines(found)
                assert stored(citizen_id) == result_of(found)[:2]
                remembered[citizen_id, day] = result_of(found)
    for (citizen_id, day), result in remembered.items():
        assert result_of(explained(citizen_id, day)) == result
    assert len({result[0] for result in remembered.values()}) > PEOPLE  # they do differ


SHIPPED = sorted(path.stem for path in DIRECTORY.glob("*.toml"))
TODAY = date(2026, 6, 30)


def some_facts(dice: random.Random, scheme: Scheme) -> list[Fact]:
    """Records of every type that feeds a scheme; now few of a kind, now more than caps allow."""
    rules = [one for one in scheme.indicators if one.record_type]
    found = []
    for kind in sorted({one.record_type for one in rules}):
        of_kind = [one for one in rules if one.record_type == kind]
        items = sorted({item for one in of_kind for item in one.items})
        measures = sorted({one.measure for one in of_kind if one.measure})
        found += [
            Fact(
                kind=kind, number=f"{kind}-{at}",
                event_on=TODAY - timedelta(days=dice.randint(0, 800)),
                item=dice.choice(items) if items else None,
                measures={one: str(Decimal(dice.randint(1, 9_999)) / 10) for one in measures},
            )
            for at in range(dice.choice([0, 1, 3, 12]))
        ]
    return found


@pytest.mark.sized
@pytest.mark.parametrize("name", SHIPPED)
def test_r11_by_every_shipped_scheme_a_stored_score_is_its_starting_value_and_lines(
    app: Flask, sized: Sized, name: str
) -> None:
    publish(name)
    scheme = scheme_in_force(on=TODAY)
    assert scheme is not None
    totals = set()
    for seed in range(sized(ci=12, full=400)):
        citizen_id = citizen_with(some_facts(random.Random(seed), scheme))
        with transaction():
            store_scores(scheme=scheme, as_of=TODAY, citizen_ids=[citizen_id])
        found = explained(citizen_id, TODAY)
        assert result_of(found) == sum_of_lines(found)
        assert stored(citizen_id) == result_of(found)[:2]
        totals.add(found.score.total)
    assert len(totals) > 5  # they do differ
    assert len(SHIPPED) == 5

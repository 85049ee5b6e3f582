"""R11: a score is the sum of its lines, and the result of a past day stays what it was that day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading
from app.scoring.explanations import ExplainedScore, explain_score
from app.scoring.operations import refresh_scores
from app.scoring.queries import scheme_in_force
from tests.records.programme import Programme, build_programme
from tests.scoring.test_oracle import DELIVERED, KINDS, PEOPLE, ROWS, line, said

Result = tuple[int, str | None, dict[str, int]]


def explained(citizen_id: UUID, on: date) -> ExplainedScore:
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    return explain_score(scheme=scheme, as_of=on, citizen_id=citizen_id)


def sum_of_lines(found: ExplainedScore) -> Result:
    """The result worked out from the lines alone."""
    by_dimension = dict.fromkeys(found.score.dimensions, 0)
    for one in found.indicators:
        exact = sum((entry.value for entry in one.lines), Decimal(0))
        rounded = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        by_dimension[one.indicator.dimension] += min(rounded, one.indicator.cap)
        counted = sum((entry.value - entry.over_cap for entry in one.lines), Decimal(0))
        assert counted == min(exact, one.indicator.cap)
    caps = {one.code: one.cap for one in found.scheme.dimensions}
    dimensions = {code: min(points, caps[code]) for code, points in by_dimension.items()}
    total = min(sum(dimensions.values()), found.scheme.total_cap)
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


@pytest.mark.parametrize("seed", [11, 12])
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

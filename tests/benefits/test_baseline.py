"""Whatever benefits there are and whoever asks, the database gives the published value."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate
from typing import Any

import pytest
from flask import Flask
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.benefits import queries
from app.benefits.queries import GrantedValue, PublishedBenefit
from app.benefits.values import is_at_least, value_for
from app.kernel.clock import city_date, now
from app.kernel.database import transaction
from demo.load import prepare_programme, publish_catalogue
from tests.benefits.test_values import TIERS, better_of, words
from tests.redemptions.builders import Citizen, give_honour, make_citizen, publish_benefit

HONOURS = ("市级", "国家级")
STANDINGS = (("A", 0), ("A", 599), ("AA", 600), ("AA", 0), ("AAA", 1000), ("AAA", 699))


def put_standing(citizen: Citizen, tier: str, total: int) -> None:
    """A stored score."""
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO scores (citizen_id, total, tier, dimensions, scheme_code,"
                " scheme_version, as_of_on)"
                " SELECT :id, :total, :tier, '{}', scheme_code, version, current_date"
                " FROM scheme_versions"
                " ON CONFLICT (citizen_id)"
                " DO UPDATE SET total = excluded.total, tier = excluded.tier"
            ),
            {"id": citizen.citizen_id, "tier": tier, "total": total},
        )


def test_r5_r13_nobody_is_worse_off_and_equals_get_the_same(app: Flask) -> None:
    prepare_programme()
    citizens, unscored = (make_citizen(app), make_citizen(app)), make_citizen(app)
    honoured = {item: make_citizen(app) for item in HONOURS}
    for item, citizen in honoured.items():
        give_honour(app, citizen.citizen_id, item)

    @settings(max_examples=10, deadline=None, phases=[Phase.generate])
    @given(
        baseline=words(),
        wishes=st.lists(words(), min_size=5, max_size=5),
        stepped=st.booleans(),
        told=st.booleans(),
    )
    def hold(
        baseline: dict[str, Any], wishes: list[dict[str, Any]], *, stepped: bool, told: bool
    ) -> None:
        ladder = [*accumulate(wishes, better_of, initial=baseline)][1:]
        honours = [
            {"record_type": "honours", "items": [item], "value": value}
            for item, value in zip(HONOURS, ladder[3:], strict=True)
        ]
        ladder = ladder[:3]
        tiers = {} if stepped else dict(zip(TIERS, ladder, strict=True))
        steps = [
            {"least_score": least, "value": value}
            for least, value in zip((0, 600, 700), ladder, strict=True)
        ]
        benefit = published(
            app, {"baseline": baseline, **tiers}, steps if stepped else None, honours, told=told
        )
        assert given_to(unscored, benefit) == GrantedValue(baseline, improved=False)
        for tier, total in STANDINGS:
            for citizen in citizens:
                put_standing(citizen, tier, total)
            one, other = (given_to(citizen, benefit) for citizen in citizens)
            assert one == other
            assert is_at_least(one.value, baseline)
            wanted = value_for(
                baseline=baseline, tiers=tiers, steps=benefit.score_steps, tier=tier, total=total
            )
            assert one.value == (wanted if told else baseline)
            assert one.improved == (one.value != baseline)
        for honour, citizen in zip(honours, honoured.values(), strict=True):
            for tier, total in (STANDINGS[0], STANDINGS[-1]):
                put_standing(citizen, tier, total)
                wanted = value_for(baseline=baseline, tiers=tiers, honour=honour, tier=tier)
                got = given_to(citizen, benefit).value
                assert got == (wanted if told else baseline)
                assert is_at_least(got, baseline)

    hold()


@pytest.mark.parametrize(
    ("item", "days_away", "counts"),
    [
        ("国家级", {}, True), ("市级", {}, False), (None, {}, False),
        ("国家级", {"ends_on": 1}, True), ("国家级", {"ends_on": 0}, False),
        ("国家级", {"event_on": 0, "delivered_on": 0}, True), ("国家级", {"event_on": 1}, False),
        ("国家级", {"delivered_on": 1}, False),
        ("国家级", {"replaced_on": 1}, True), ("国家级", {"replaced_on": 0}, False),
    ],
)
def test_an_honour_counts_from_its_delivery_until_it_ends(
    app: Flask, item: str | None, days_away: dict[str, int], *, counts: bool
) -> None:
    publish_catalogue()
    honour = {"record_type": "honours", "items": ["国家级"], "value": {"tickets": 2}}
    any_of_them = {"record_type": "honours", "value": {"tickets": 3}}
    listed, whoever = (publish_benefit(app, honour=[one]) for one in (honour, any_of_them))
    citizen, today = make_citizen(app), city_date(now())
    give_honour(app, citizen.citizen_id, item, **{
        name: today + timedelta(days=days) for name, days in days_away.items()
    })  # fmt: skip
    given = {
        code: queries.value_for_citizen(citizen_id=citizen.citizen_id, benefit_id=found.benefit_id)
        for code in (listed, whoever) if (found := queries.find_current(code=code))
    }
    assert given[listed].improved == counts
    assert given[whoever].improved == (counts or not days_away)


def published(
    app: Flask,
    values: dict[str, Any],
    steps: list[dict[str, Any]] | None,
    honours: list[dict[str, Any]],
    *,
    told: bool,
) -> PublishedBenefit:
    """A new benefit; without a consent that nobody gave, its receiver is told of standings."""
    purpose = {} if told else {"consent_purpose": "nobody_agreed_to_this"}
    code = publish_benefit(app, values=values, step=steps, honour=honours, **purpose)
    found = queries.find_current(code=code)
    assert found is not None
    return found


def given_to(citizen: Citizen, benefit: PublishedBenefit) -> GrantedValue:
    return queries.value_for_citizen(
        citizen_id=citizen.citizen_id, benefit_id=benefit.benefit_id
    )

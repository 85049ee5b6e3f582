"""A claim that is not made: all reasons, the next step, and which ways lead there."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from demo.load import prepare_programme
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    API,
    TICKET_VALUES,
    Citizen,
    make_citizen,
    publish_benefit,
)

PARKING: dict[str, Any] = {
    "values": {"baseline": {"free_minutes": 15}},
    "step": [
        {"least_score": 30, "value": {"free_minutes": 20}},
        {"least_score": 680, "value": {"free_minutes": 30}},
    ],
}


def shown(client: FlaskClient, citizen: Citizen, benefit: str) -> dict[str, Any]:
    response = client.get(f"{API}/me/benefits/{benefit}", headers=citizen.headers)
    assert response.status_code == 200, response.get_json()
    found: dict[str, Any] = response.get_json()
    return found


def test_a_claim_that_would_be_accepted_has_no_reasons_and_changes_nothing(
    app: Flask, client: FlaskClient
) -> None:
    benefit = publish_benefit(app, price_points=10, stock=1)
    citizen = make_citizen(app, points=10)
    for _ in range(2):
        found = shown(client, citizen, benefit)
        assert (found["reasons"], found["offer"]["value"]) == ([], {"tickets": 1})
    citizen.claimed(client, benefit)


def test_all_reasons_are_told_and_the_claim_gets_the_first(
    app: Flask, client: FlaskClient
) -> None:
    limit = {"count": 1, "period": "month"}
    benefit = publish_benefit(
        app, price_points=10, stock=1, claim_limit=limit, stacking_group="tourism"
    )
    citizen = make_citizen(app, points=15)
    citizen.claimed(client, benefit)
    found = shown(client, citizen, benefit)
    assert found["reasons"] == [
        "other_voucher_held", "claim_limit_reached", "out_of_stock", "insufficient_points",
    ]  # fmt: skip
    assert found["offer"]["missing_points"] == 5
    assert outcome(citizen.claim(client, benefit)) == (409, "other_voucher_held")


def test_the_next_step_its_distance_and_the_ways_there(app: Flask, client: FlaskClient) -> None:
    prepare_programme()
    benefit, citizen = publish_benefit(app, **PARKING), make_citizen(app)
    found = shown(client, citizen, benefit)
    assert found["offer"]["value"] == {"free_minutes": 15}
    assert found["offer"]["next_tier"] == {
        "tier": None, "value": {"free_minutes": 20}, "missing_score": 30
    }
    assert found["ways"]
    assert all(way["gain_points"] >= 0 and way["one_more"] for way in found["ways"])


def test_without_anything_better_no_way_is_suggested(app: Flask, client: FlaskClient) -> None:
    prepare_programme()
    benefit = publish_benefit(app, values={"baseline": TICKET_VALUES["baseline"]})
    found = shown(client, make_citizen(app), benefit)
    assert (found["offer"]["next_tier"], found["ways"]) == (None, [])


def test_what_is_not_there_or_not_claimed_says_so(app: Flask, client: FlaskClient) -> None:
    citizen = make_citizen(app)
    response = client.get(f"{API}/me/benefits/nothing_known", headers=citizen.headers)
    assert outcome(response) == (404, "benefit_unknown")
    statement = publish_benefit(app, kind="statement", consent_purpose="anything")
    assert shown(client, citizen, statement)["reasons"] == ["not_claimable"]

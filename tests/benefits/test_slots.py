"""Slots: a day or hours with so many places, chosen at the claim, good in their time alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger import queries as ledger
from tests.ledger.people import database_time
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    API,
    Citizen,
    make_citizen,
    make_clerk,
    publish_benefit,
)
from tests.redemptions.checks import assert_redemptions_agree

CITY = ZoneInfo("Asia/Shanghai")
DAYS = {"capacity": 2, "days_ahead": 3, "give_back_before_seconds": 3600}


def publish_slots(app: Flask, **facts: Any) -> str:
    return publish_benefit(app, **{"voucher_life_seconds": None, "slots": DAYS, **facts})


def slots_on(client: FlaskClient, benefit: str, on: date | None = None) -> list[dict[str, Any]]:
    query = {} if on is None else {"on": on.isoformat()}
    response = client.get(f"{API}/benefits/{benefit}/slots", query_string=query)
    assert response.status_code == 200, response.get_json()
    found: list[dict[str, Any]] = response.get_json()["slots"]
    return found


def claim_slot(
    client: FlaskClient,
    citizen: Citizen,
    benefit: str,
    begins_at: str,
    voucher_id: UUID | None = None,
) -> TestResponse:
    body = {
        "voucher_id": str(voucher_id or new_id()), "benefit_code": benefit,
        "slot_begins_at": begins_at,
    }  # fmt: skip
    return client.post(f"{API}/me/vouchers", json=body, headers=citizen.headers)


@pytest.fixture
def today(app: Flask) -> date:
    with app.app_context():
        return database_time().astimezone(CITY).date()


def test_slots_follow_one_another_through_the_open_hours_of_the_days_ahead(
    app: Flask, client: FlaskClient, today: date
) -> None:
    tomorrow = today + timedelta(days=1)
    ground = publish_slots(
        app, open_from=time(8), open_until=time(20), slots={**DAYS, "hours": 2},
        weekdays=[tomorrow.isoweekday(), (today + timedelta(days=4)).isoweekday()],
    )  # fmt: skip
    found = slots_on(client, ground, tomorrow)
    begins = [datetime.fromisoformat(one["begins_at"]).astimezone(CITY) for one in found]
    assert begins == [
        datetime.combine(tomorrow, time(hour), CITY) for hour in (8, 10, 12, 14, 16, 18)
    ]
    assert found[0]["ends_at"] == found[1]["begins_at"]
    assert {one["left_count"] for one in found} == {2}
    for closed in (None, today + timedelta(days=2), today + timedelta(days=4)):
        assert slots_on(client, ground, closed) == []
    assert slots_on(client, publish_benefit(app), tomorrow) == []
    unknown = client.get(f"{API}/benefits/no_such_thing/slots")
    assert outcome(unknown) == (404, "benefit_unknown")


def test_a_claim_takes_a_place_and_its_voucher_is_good_in_its_slot_alone(
    app: Flask, client: FlaskClient, today: date
) -> None:
    spot = publish_slots(app, price_points=10)
    clerk = make_clerk(app, takes=(spot,))
    [now], [later] = slots_on(client, spot), slots_on(client, spot, today + timedelta(days=1))
    citizen = make_citizen(app, points=30)
    early, voucher_id = new_id(), new_id()
    assert claim_slot(client, citizen, spot, later["begins_at"], early).status_code == 200
    code = citizen.voucher_code(client, early)
    assert outcome(clerk.redeem(client, code=code)) == (409, "outside_slot")
    preview = clerk.preview(client, code=citizen.pass_code(client)).get_json()
    assert [one["vouchers"] for one in preview["benefits"]] == [[]]
    answer = claim_slot(client, citizen, spot, now["begins_at"], voucher_id)
    times = [answer.get_json()[name] for name in ("usable_from_at", "expires_at")]
    assert [*map(datetime.fromisoformat, times)] == [
        datetime.fromisoformat(now[name]) for name in ("begins_at", "ends_at")
    ]
    other_zone = datetime.fromisoformat(now["begins_at"]).astimezone(CITY).isoformat()
    again = claim_slot(client, citizen, spot, other_zone, voucher_id)
    assert again.data == answer.data
    assert [slots_on(client, spot)[0]["left_count"], later["left_count"]] == [1, 2]
    held = client.get(f"{API}/me/vouchers", headers=citizen.headers).get_json()["vouchers"]
    assert {one["voucher_id"]: one["usable_from_at"] for one in held} == {
        str(early): later["begins_at"], str(voucher_id): now["begins_at"],
    }
    # Of two vouchers the one of today is meant.
    redeemed = clerk.redeem(client, code=citizen.pass_code(client))
    assert redeemed.status_code == 200
    assert_redemptions_agree()
    assert clerk.annul(client, redeemed.get_json()["receipt"]).status_code == 200
    assert slots_on(client, spot)[0]["left_count"] == 2
    assert_redemptions_agree()


def test_a_place_comes_back_until_the_stated_time(
    app: Flask, client: FlaskClient, today: date
) -> None:
    spot = publish_slots(app, slots={**DAYS, "capacity": 1}, price_points=10)
    [now], [later] = slots_on(client, spot), slots_on(client, spot, today + timedelta(days=2))
    citizen, other = make_citizen(app, points=20), make_citizen(app, points=10)
    kept, given = new_id(), new_id()
    assert claim_slot(client, citizen, spot, now["begins_at"], kept).status_code == 200
    assert claim_slot(client, citizen, spot, later["begins_at"], given).status_code == 200
    refused = claim_slot(client, other, spot, later["begins_at"])
    assert outcome(refused) == (409, "slot_full")
    assert ledger.balance(citizen_id=other.citizen_id).held_points == 0
    assert outcome(citizen.give_back(client, kept)) == (409, "give_back_too_late")
    for _ in range(2):
        assert citizen.give_back(client, given).status_code == 200
    assert claim_slot(client, other, spot, later["begins_at"]).status_code == 200
    assert_redemptions_agree()


def test_only_a_slot_of_the_list_is_claimed(
    app: Flask, client: FlaskClient, today: date
) -> None:
    spot, plain = publish_slots(app), publish_benefit(app)
    citizen = make_citizen(app)
    [now] = slots_on(client, spot)
    begins_at = datetime.fromisoformat(now["begins_at"])
    assert outcome(citizen.claim(client, spot)) == (409, "slot_needed")
    for wrong in (
        begins_at + timedelta(hours=1),
        begins_at - timedelta(days=1),
        begins_at + timedelta(days=4),
        datetime(1, 1, 1, tzinfo=CITY),
        datetime(9999, 12, 31, 23, tzinfo=UTC),
    ):
        refused = claim_slot(client, citizen, spot, wrong.isoformat())
        assert outcome(refused) == (404, "slot_unknown")
    refused = claim_slot(client, citizen, plain, now["begins_at"])
    assert outcome(refused) == (404, "slot_unknown")


def test_every_limit_of_several_holds(app: Flask, client: FlaskClient, today: date) -> None:
    limits = [{"count": 1, "period": "day"}, {"count": 2, "period": "ever"}]
    benefit = publish_benefit(app, claim_limits=limits)
    citizen = make_citizen(app)
    listed = client.get(f"{API}/benefits").get_json()["benefits"]
    [shown] = [one for one in listed if one["code"] == benefit]
    assert shown["claim_limits"] == limits
    assert (shown["claim_limit_count"], shown["claim_limit_period"]) == (1, "day")
    first = citizen.claimed(client, benefit)
    assert outcome(citizen.claim(client, benefit)) == (409, "claim_limit_reached")
    citizen.give_back(client, first)
    for _ in range(2):
        assert citizen.claim(client, benefit).status_code == 200
        claim_yesterday(app, citizen, first)
        citizen.give_back(client, held_today(client, citizen))
    assert outcome(citizen.claim(client, benefit)) == (409, "claim_limit_reached")


def claim_yesterday(app: Flask, citizen: Citizen, like: UUID) -> None:
    """A voucher as the given one, claimed a day earlier."""
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO vouchers SELECT citizen_id, :voucher, benefit_id, benefit_code,"
                " benefit_version, value, price_points, hold_id, stock_taken,"
                " claimed_at - interval '1 day', expires_at FROM vouchers"
                " WHERE citizen_id = :citizen AND voucher_id = :like"
            ),
            {"citizen": citizen.citizen_id, "voucher": new_id(), "like": like},
        )


def held_today(client: FlaskClient, citizen: Citizen) -> UUID:
    listed = client.get(f"{API}/me/vouchers", headers=citizen.headers).get_json()["vouchers"]
    return next(UUID(one["voucher_id"]) for one in listed if one["status"] == "claimed")

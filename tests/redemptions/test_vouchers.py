"""Claims: held at once, refused for good under one id, ended once."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.clock import CITY_ZONE, city_date, now
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger import operations as ledger_operations
from app.ledger import queries as ledger
from app.redemptions.queries import verify
from app.redemptions.vouchers import expire_due_vouchers
from tests.ledger.people import database_time, wait_until
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    benefit_toml,
    grant_points,
    make_citizen,
    make_clerk,
    publish_benefit,
    publish_library,
)
from tests.redemptions.checks import assert_redemptions_agree


def test_the_same_voucher_id_claims_once_and_answers_byte_for_byte(
    app: Flask, client: FlaskClient
) -> None:
    cinema = publish_benefit(app, price_points=60)
    citizen = make_citizen(app, points=100)
    voucher_id = new_id()
    first = citizen.claim(client, cinema, voucher_id)
    again = citizen.claim(client, cinema, voucher_id)
    assert first.status_code == again.status_code == 200
    assert first.data == again.data
    assert ledger.balance(citizen_id=citizen.citizen_id).held_points == 60
    other = publish_benefit(app)
    assert outcome(citizen.claim(client, other, voucher_id)) == (422, "id_reused")


def test_not_enough_points_sticks_to_its_voucher_id(app: Flask, client: FlaskClient) -> None:
    cinema = publish_benefit(app, price_points=60, stock=5)
    citizen = make_citizen(app, points=59)
    voucher_id = new_id()
    first = citizen.claim(client, cinema, voucher_id)
    assert outcome(first) == (409, "insufficient_points")
    grant_points(app, citizen.citizen_id, 100)
    again = citizen.claim(client, cinema, voucher_id)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert citizen.claim(client, cinema).status_code == 200
    assert_redemptions_agree()


def test_the_lots_of_the_price_are_chosen_at_the_claim(app: Flask, client: FlaskClient) -> None:
    cinema = publish_benefit(app, price_points=60)
    citizen = make_citizen(app)
    grant_points(app, citizen.citizen_id, 60, days=300)
    claimed = citizen.claimed(client, cinema)
    sooner = grant_points(app, citizen.citizen_id, 60, days=30)
    with transaction():
        spent = ledger_operations.spend(
            citizen_id=citizen.citizen_id, transfer_id=new_id(), amount_points=60, reason="order"
        )
    assert spent.is_accepted
    lots = ledger.lots(citizen_id=citizen.citizen_id)
    assert sooner not in {lot.lot_id for lot in lots if lot.remaining_points}
    assert citizen.give_back(client, claimed).status_code == 200
    assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 60


def test_unknown_benefits_and_those_out_of_their_days_are_refused(
    app: Flask, client: FlaskClient
) -> None:
    citizen = make_citizen(app)
    assert outcome(citizen.claim(client, "no_such_thing")) == (404, "benefit_unknown")
    later = publish_benefit(app, valid_from=date(2999, 1, 1), code="later")
    assert outcome(citizen.claim(client, later)) == (404, "benefit_unknown")
    over = publish_benefit(app, valid_to=date(2026, 1, 2), code="over")
    assert outcome(citizen.claim(client, over)) == (404, "benefit_unknown")
    assert outcome(citizen.claim(client, "NO")) == (422, "invalid_request")


def test_the_limit_counts_what_is_held_or_redeemed(app: Flask, client: FlaskClient) -> None:
    limited = publish_benefit(app, claim_limit={"count": 1, "period": "month"})
    clerk = make_clerk(app, takes=(limited,))
    citizen = make_citizen(app)
    first = citizen.claimed(client, limited)
    assert outcome(citizen.claim(client, limited)) == (409, "claim_limit_reached")
    assert citizen.give_back(client, first).status_code == 200
    citizen.claimed(client, limited)
    answer = clerk.redeem(client, code=citizen.pass_code(client))
    assert answer.status_code == 200
    assert outcome(citizen.claim(client, limited)) == (409, "claim_limit_reached")
    assert clerk.annul(client, answer.get_json()["receipt"]).status_code == 200
    assert citizen.claim(client, limited).status_code == 200


@pytest.mark.parametrize("period", ["day", "week", "month", "year"])
def test_the_limit_begins_again_with_its_period(
    committing_app: Flask, admin: psycopg.Connection[Any], period: str
) -> None:
    today = city_date(now())
    first_day = {
        "day": today, "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1), "year": today.replace(month=1, day=1),
    }[period]
    begins_at = datetime.combine(first_day, time(), CITY_ZONE)
    limited = publish_benefit(committing_app, claim_limit={"count": 1, "period": period})
    citizen, client = make_citizen(committing_app), committing_app.test_client()
    citizen.claimed(client, limited)
    for claimed_at, told in (
        (begins_at, (409, "claim_limit_reached")),
        (begins_at - timedelta(microseconds=1), (200, "")),
    ):
        admin.execute("UPDATE vouchers SET claimed_at = %s", (claimed_at,))
        assert outcome(citizen.claim(client, limited)) == told
    assert outcome(citizen.claim(client, limited)) == (409, "claim_limit_reached")


def test_a_limit_for_ever_never_begins_again(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    limited = publish_benefit(committing_app, claim_limit={"count": 1, "period": "ever"})
    citizen, client = make_citizen(committing_app), committing_app.test_client()
    citizen.claimed(client, limited)
    admin.execute("UPDATE vouchers SET claimed_at = now() - interval '20 years'")
    assert outcome(citizen.claim(client, limited)) == (409, "claim_limit_reached")


def test_stock_runs_out_and_comes_back(app: Flask, client: FlaskClient) -> None:
    scarce = publish_benefit(app, stock=2, price_points=10)
    people = [make_citizen(app, points=10) for _ in range(3)]
    vouchers = [person.claimed(client, scarce) for person in people[:2]]
    assert outcome(people[2].claim(client, scarce)) == (409, "out_of_stock")
    assert ledger.balance(citizen_id=people[2].citizen_id).held_points == 0
    people[0].give_back(client, vouchers[0])
    assert people[2].claim(client, scarce).status_code == 200
    assert_redemptions_agree()


def test_the_sweep_ends_what_is_due_and_frees_points_and_stock(
    app: Flask, client: FlaskClient
) -> None:
    short = publish_benefit(app, price_points=10, voucher_life_seconds=1, stock=1)
    citizen = make_citizen(app, points=10)
    voucher_id = citizen.claimed(client, short)
    assert expire_due_vouchers(limit=10) == 0
    wait_until(database_time() + timedelta(seconds=1))
    assert expire_due_vouchers(limit=10) == 1
    assert expire_due_vouchers(limit=10) == 0
    assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 10
    assert outcome(citizen.give_back(client, voucher_id)) == (409, "voucher_expired")
    assert citizen.claim(client, short).status_code == 200
    assert_redemptions_agree()


def test_the_ledgers_own_sweep_may_come_first(app: Flask, client: FlaskClient) -> None:
    short = publish_benefit(app, price_points=10, voucher_life_seconds=1)
    citizen = make_citizen(app, points=10)
    citizen.claimed(client, short)
    wait_until(database_time() + timedelta(seconds=1))
    assert ledger_operations.expire_due_holds(limit=10) == 1
    assert_redemptions_agree()
    assert expire_due_vouchers(limit=10) == 1
    assert_redemptions_agree()


def test_the_value_is_frozen_at_the_claim(app: Flask, client: FlaskClient) -> None:
    library = publish_library(app)
    citizen = make_citizen(app, tier="AAA", consents=("library",))
    claimed = citizen.claim(client, library).get_json()
    assert claimed["value"] == {"books": 25, "deposit_waived": True}
    listed = client.get("/api/v1/me/vouchers", headers=citizen.headers).get_json()["vouchers"]
    assert listed[0]["value"] == claimed["value"]
    assert listed[0]["status"] == "claimed"


def test_the_proof_names_a_redemption_without_its_post(app: Flask, client: FlaskClient) -> None:
    cinema = publish_benefit(app, price_points=60)
    citizen = make_citizen(app, points=60)
    voucher_id = citizen.claimed(client, cinema)
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO voucher_endings (citizen_id, voucher_id, kind, ended_at)"
                " VALUES (:citizen, :voucher, 'redeemed', clock_timestamp())"
            ),
            {"citizen": citizen.citizen_id, "voucher": voucher_id},
        )
    faults = verify()
    assert {(fault.invariant, fault.voucher_id) for fault in faults} == {("I5", voucher_id)}
    assert len(faults) == 2
    assert "I5" in str(faults[0])
    told = app.test_cli_runner().invoke(args=["ledger", "verify"])
    assert told.exit_code == 1
    assert told.output.startswith("Error: first bad row: I5")
    assert str(voucher_id) in told.output.splitlines()[0]


def test_a_published_file_can_be_loaded_again(app: Flask) -> None:
    code = publish_benefit(app)
    assert benefit_toml(code).startswith("tiers")

"""Entitlements: told on line to the operator's machine, never worse than everybody's fare."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.kernel.clock import CITY_ZONE, city_date, now
from app.kernel.ids import new_id
from app.redemptions.offline_lists import voucher_keys_ever
from app.transit import operations
from integrity_card_scanner.vouchers import read_code
from tests.redemptions.builders import API, Citizen, keys_of, make_citizen, set_tier
from tests.redemptions.offline_town import offline_code, publish_keys
from tests.service_orders.shop import done, refusal
from tests.transit.town import (
    Company,
    make_company,
    make_rider,
    scalar,
    stranger_source,
    withdraw,
)

FIELDS = {"merchant_id", "account_id", "price_percent", "valid_from", "valid_until"}


@pytest.fixture
def company(app: Flask) -> Company:
    return make_company(app)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_gate_reads_a_pass_code_once_and_knows_the_account_from_then_on(
    app: Flask, company: Company
) -> None:
    """Q1, R23: the answer says what is paid, and nothing else of the person."""
    rider = make_rider(app)
    code = rider.pass_code(company.client)
    told = done(company.ask(code=code))
    assert set(told) == FIELDS
    assert told["price_percent"] == 80
    assert refusal(company.ask(code=code)) == "code_burnt"
    assert done(company.ask(account_id=told["account_id"])) == told
    mine = company.client.get(f"{API}/me/transit/accounts", headers=rider.headers)
    assert done(mine) == {"entitlements": [told]}
    trail = done(company.client.get(f"{API}/me/trail", headers=rider.headers))["lines"]
    assert [one["action"] for one in trail].count("transit_entitlement") == 2


def test_r5_everybody_rides_at_everybodys_fare(app: Flask, company: Company) -> None:
    """No tier, no consent, never asked: 100 per cent, no account, no refusal."""
    half = make_citizen(app, tier="AAA", consents=("transit",))
    for rider in (make_citizen(app), make_citizen(app, tier="AAA"), half):
        told = done(company.ask(code=rider.pass_code(company.client)))
        assert (told["account_id"], told["price_percent"]) == (None, 100)
        assert refusal(company.opened_by(rider)) == "consent_missing"
    for tier in (None, "A"):
        told = done(company.ask(account_id=company.account_of(make_rider(app, tier))))
        assert (told["price_percent"], told["valid_until"]) == (100, None)


def test_r19_each_answer_has_its_line_by_the_consents_behind_it(
    app: Flask, company: Company
) -> None:
    """A burnt code without a consent too: that somebody was asked about is seen."""

    def bases(rider: Citizen) -> list[str]:
        trail = done(company.client.get(f"{API}/me/trail", headers=rider.headers))["lines"]
        return [one["basis"] for one in trail if one["action"] == "transit_entitlement"]

    rider, half = make_rider(app), make_citizen(app, consents=("transit",))
    account_id = done(company.ask(code=rider.pass_code(company.client)))["account_id"]
    done(company.ask(code=half.pass_code(company.client)))
    assert bases(rider) == ["transit v1, transit_location v1"]
    assert bases(half) == ["membership v1"]
    withdraw(app, rider, "transit_location")
    done(company.ask(account_id=account_id))
    assert bases(rider) == ["membership v1", "transit v1, transit_location v1"]


def test_r13_the_same_tier_rides_for_the_same(app: Flask, company: Company) -> None:
    for tier, percent in (("AA", 80), ("AAA", 50)):
        told = [
            done(company.ask(account_id=company.account_of(make_rider(app, tier))))
            for _ in range(3)
        ]
        assert {one["price_percent"] for one in told} == {percent}


def test_two_operators_cannot_join_their_accounts(app: Flask, company: Company) -> None:
    other = make_company(app)
    rider = make_rider(app)
    ours, theirs = company.account_of(rider), other.account_of(rider)
    assert ours != theirs
    assert company.account_of(rider) == ours
    assert refusal(other.ask(account_id=ours)) == "transit_account_unknown"
    assert refusal(other.ask(account_id=new_id())) == "transit_account_unknown"


@pytest.mark.parametrize("purpose", ["transit", "transit_location"])
def test_r3_r4_a_withdrawal_ends_it_at_its_own_moment(
    app: Flask, company: Company, purpose: str
) -> None:
    rider = make_rider(app)
    account_id = company.account_of(rider)
    withdraw(app, rider, purpose)
    told = done(company.ask(account_id=account_id))
    assert (told["price_percent"], told["valid_until"]) == (100, None)
    assert scalar(
        app, "SELECT e.valid_until = citizen_consent_withdrawn_at(e.citizen_id, :purpose)"
        " FROM transit_entitlements e WHERE e.citizen_id = :rider",
        rider=rider.citizen_id, purpose=purpose,
    )  # fmt: skip


def test_what_is_told_ends_with_the_benefit_or_with_announced_rules(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow = city_date(now()) + timedelta(days=1)
    company = make_company(app, valid_to=tomorrow, voucher_life_seconds=10 * 86_400)
    told = done(company.opened_by(make_rider(app)))
    ends = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=CITY_ZONE)
    assert at(told["valid_until"]) == ends + timedelta(days=1)
    monkeypatch.setattr(operations, "next_effective_on", lambda: tomorrow)
    told = done(company.opened_by(make_rider(app)))
    assert at(told["valid_until"]) == ends


def test_a_change_of_tier_ends_one_time_and_begins_another(
    app: Flask, company: Company
) -> None:
    rider = make_rider(app)
    account_id = company.account_of(rider)
    first = done(company.ask(account_id=account_id))
    set_tier(app, rider.citizen_id, "AAA")
    second = done(company.ask(account_id=account_id))
    assert second["price_percent"] == 50
    assert at(second["valid_from"]) > at(first["valid_from"])
    assert scalar(
        app, "SELECT bool_and(later.valid_from >= e.valid_until) FROM transit_entitlements e"
        " JOIN transit_entitlements later ON later.valid_from > e.valid_from"
        " AND later.citizen_id = e.citizen_id WHERE e.citizen_id = :rider",
        rider=rider.citizen_id,
    )  # fmt: skip


def test_the_offline_voucher_says_the_same_and_its_promise_is_kept(app: Flask) -> None:
    company = make_company(app, offline_allowed=True)
    publish_keys(app)
    rider = make_rider(app)
    code = offline_code(company.client, rider, company.benefit_code)
    known: Any = _voucher_keys(app)
    said = read_code(code, known.get).voucher.value
    account_id = company.account_of(rider)
    assert done(company.ask(account_id=account_id))["price_percent"] == said["price_percent"]
    set_tier(app, rider.citizen_id, "A")
    told = done(company.ask(account_id=account_id))
    assert told["price_percent"] == said["price_percent"] == 80
    assert at(told["valid_until"]) <= datetime.now(UTC) + timedelta(days=1)


def _voucher_keys(app: Flask) -> Any:
    with app.app_context():
        return voucher_keys_ever(keys_of(app))


def test_only_operators_that_are_not_suspended_ask(app: Flask, company: Company) -> None:
    body = {"account_id": str(new_id())}
    answer = company.client.post(
        f"{API}/transit/entitlement", json=body, headers=stranger_source(app)
    )
    assert refusal(answer) == "not_transit_operator"
    scalar(
        app, "UPDATE merchants SET suspended = true WHERE merchant_id = :m RETURNING 1",
        m=company.merchant_id,
    )  # fmt: skip
    assert refusal(company.ask(account_id=new_id())) == "merchant_suspended"


def test_a_question_names_one_rider(company: Company) -> None:
    for question in ({}, {"account_id": new_id(), "code": "IC1P:ABC"}):
        assert refusal(company.ask(**question)) == "invalid_request"
    assert refusal(company.ask(code="IC1P:ABC")) == "code_unreadable"

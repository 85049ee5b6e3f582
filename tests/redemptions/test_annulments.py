"""A redemption taken back: in time, by the same merchant, once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.benefits.catalogue import parse_catalogue
from app.kernel.ids import new_id
from app.ledger import queries as ledger
from app.redemptions import codes
from tests.ledger.people import database_time, wait_until
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Citizen,
    Clerk,
    benefit_toml,
    grant_points,
    keys_of,
    make_citizen,
    make_clerk,
    publish_benefit,
)
from tests.redemptions.checks import assert_redemptions_agree


@pytest.fixture
def cinema(app: Flask) -> str:
    return publish_benefit(app, price_points=60, stock=1)


@pytest.fixture
def clerk(app: Flask, cinema: str) -> Clerk:
    return make_clerk(app, takes=(cinema,))


@pytest.fixture
def citizen(app: Flask) -> Citizen:
    found = make_citizen(app)
    grant_points(app, found.citizen_id, 40, days=30)
    grant_points(app, found.citizen_id, 40, days=60)
    return found


def redeemed(client: FlaskClient, citizen: Citizen, clerk: Clerk, benefit: str) -> str:
    citizen.claimed(client, benefit)
    answer = clerk.redeem(client, code=citizen.pass_code(client))
    assert answer.status_code == 200, answer.get_json()
    return str(answer.get_json()["receipt"])


def test_the_points_go_back_to_their_lots_and_the_voucher_is_finished(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    before = ledger.lots(citizen_id=citizen.citizen_id)
    voucher_id = citizen.claimed(client, cinema)
    code = citizen.voucher_code(client, voucher_id)
    receipt = clerk.redeem(client, code=code).get_json()["receipt"]
    assert ledger.balance(citizen_id=citizen.citizen_id).balance_points == 20
    answer = clerk.annul(client, receipt)
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json()["returned_points"] == 60
    assert ledger.lots(citizen_id=citizen.citizen_id) == before
    assert outcome(clerk.redeem(client, code=code)) == (409, "voucher_annulled")
    assert outcome(citizen.give_back(client, voucher_id)) == (409, "voucher_annulled")
    annulled_at = datetime.fromisoformat(answer.get_json()["annulled_at"])
    assert datetime.fromisoformat(clerk.today(client)[0]["annulled_at"]) == annulled_at
    citizen.claimed(client, cinema)  # the one piece of stock is back too
    assert_redemptions_agree()


def test_the_same_id_annuls_once(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    receipt = redeemed(client, citizen, clerk, cinema)
    annulment_id = new_id()
    first = clerk.annul(client, receipt, annulment_id)
    again = clerk.annul(client, receipt, annulment_id)
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert outcome(clerk.annul(client, receipt)) == (409, "already_annulled")
    assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 80
    other = redeemed(client, citizen, clerk, cinema)
    assert outcome(clerk.annul(client, other, annulment_id)) == (422, "id_reused")


def test_a_colleague_of_the_same_merchant_may_and_a_stranger_may_not(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    receipt = redeemed(client, citizen, clerk, cinema)
    stranger = make_clerk(app, takes=(cinema,))
    assert outcome(stranger.annul(client, receipt)) == (404, "redemption_unknown")
    colleague = make_clerk(app, merchant_id=clerk.merchant_id)
    assert colleague.annul(client, receipt).status_code == 200


def test_after_the_window_it_is_too_late(
    app: Flask, client: FlaskClient, citizen: Citizen
) -> None:
    short = publish_benefit(app, annul_window_seconds=0)
    clerk = make_clerk(app, takes=(short,))
    receipt = redeemed(client, citizen, clerk, short)
    wait_until(database_time() + timedelta(milliseconds=1))
    assert outcome(clerk.annul(client, receipt)) == (409, "annulment_too_late")


def test_the_window_is_fifteen_minutes_unless_the_catalogue_says_otherwise(app: Flask) -> None:
    (entry,) = parse_catalogue(benefit_toml("plain"))
    assert entry.annul_window_seconds == 15 * 60


def test_receipts_of_nothing_are_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    assert outcome(clerk.annul(client, "IC1T:nonsense")) == (400, "receipt_unreadable")
    unknown = codes.make_receipt(
        keys_of(app), citizen_id=citizen.citizen_id, clerk_id=clerk.staff_id,
        redemption_id=new_id(),
    )
    assert outcome(clerk.annul(client, unknown)) == (404, "redemption_unknown")
    refused_id = new_id()
    clerk.redeem(client, refused_id, code=citizen.pass_code(client))
    refused = codes.make_receipt(
        keys_of(app), citizen_id=citizen.citizen_id, clerk_id=clerk.staff_id,
        redemption_id=refused_id,
    )
    assert outcome(clerk.annul(client, refused)) == (404, "redemption_unknown")

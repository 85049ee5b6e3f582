"""Stock and budget come back unused, later versions, and what is not combined."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from app.benefits import operations, queries
from app.benefits.queries import PublishedBenefit
from app.kernel.database import transaction
from app.settlement import proof
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    benefit_toml,
    make_citizen,
    make_clerk,
    publish_benefit,
)

SUBSIDY = {"payer": "programme", "fen": 300}


def current(code: str) -> PublishedBenefit:
    found = queries.find_current(code=code)
    assert found is not None
    return found


def test_a_voucher_given_back_frees_its_piece_and_its_subsidy(
    app: Flask, client: FlaskClient
) -> None:
    benefit = publish_benefit(app, stock=2, subsidy=SUBSIDY, budget_fen=300)
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, benefit)
    assert queries.count_left(benefit=current(benefit)) == 0
    assert outcome(citizen.claim(client, benefit)) == (409, "out_of_stock")
    assert citizen.give_back(client, voucher_id).status_code == 200
    assert queries.count_left(benefit=current(benefit)) == 1
    citizen.claimed(client, benefit)


def test_a_budget_alone_is_a_limit_and_an_annulled_redemption_frees_it(
    app: Flask, client: FlaskClient
) -> None:
    benefit = publish_benefit(app, subsidy=SUBSIDY, budget_fen=600)
    citizen, clerk = make_citizen(app), make_clerk(app, takes=(benefit,))
    citizen.claimed(client, benefit)
    voucher_id = citizen.claimed(client, benefit)
    assert outcome(citizen.claim(client, benefit)) == (409, "out_of_stock")
    redeemed = clerk.redeem(client, code=citizen.voucher_code(client, voucher_id))
    assert outcome(clerk.annul(client, redeemed.get_json()["receipt"])) == (200, "")
    assert queries.count_left(benefit=current(benefit)) == 1


def test_a_later_version_brings_a_limit_but_fills_nothing_up(
    app: Flask, client: FlaskClient
) -> None:
    code = publish_benefit(app, stock=3)
    citizen = make_citizen(app)
    citizen.claimed(client, code)
    later = benefit_toml(code, stock=50, subsidy=SUBSIDY, budget_fen=30_000)
    operations.load_catalogue(later.replace("version = 1", "version = 2"))
    assert current(code).version == 2
    assert queries.count_left(benefit=current(code)) == 2


def test_a_voucher_from_before_a_budget_neither_takes_of_it_nor_fills_it(
    app: Flask, client: FlaskClient
) -> None:
    code = publish_benefit(app, stock=64, subsidy=SUBSIDY)
    citizen, clerk = make_citizen(app), make_clerk(app, takes=(code,))
    before = current(code)
    returned, used = citizen.claimed(client, code), citizen.claimed(client, code)
    later = benefit_toml(code, stock=64, subsidy=SUBSIDY, budget_fen=30_000)
    operations.load_catalogue(later.replace("version = 1", "version = 2"))
    assert citizen.give_back(client, returned).status_code == 200
    shown = citizen.voucher_code(client, used)
    assert outcome(clerk.redeem(client, code=shown)) == (200, "")
    [budget] = proof.list_budgets()
    assert (budget.left_fen, budget.held_fen, budget.spent_fen) == (30_000, 0, 0)
    with transaction():  # a claim that chose its version just before the next one came
        operations.take_stock(benefit=before)
    assert proof.list_budgets() == [budget]
    taken = citizen.claimed(client, code)
    [budget] = proof.list_budgets()
    assert (budget.left_fen, budget.held_fen) == (29_700, 300)
    assert citizen.give_back(client, taken).status_code == 200
    assert proof.list_budgets()[0].left_fen == 30_000
    assert proof.verify() == []


def test_of_a_stacking_group_one_voucher_is_held_at_a_time(
    app: Flask, client: FlaskClient
) -> None:
    first, second = (publish_benefit(app, stacking_group="tourism") for _ in range(2))
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, first)
    for benefit in (first, second):
        assert outcome(citizen.claim(client, benefit)) == (409, "other_voucher_held")
    citizen.claimed(client, publish_benefit(app))
    citizen.give_back(client, voucher_id)
    citizen.claimed(client, second)


def test_guarantees_and_statements_are_not_claimed(app: Flask, client: FlaskClient) -> None:
    citizen = make_citizen(app)
    for kind in ("guarantee", "statement"):
        benefit = publish_benefit(app, kind=kind, consent_purpose="anything")
        assert outcome(citizen.claim(client, benefit)) == (409, "not_claimable")

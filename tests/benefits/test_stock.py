"""Stock and budget come back unused, later versions, and what is not combined."""

from __future__ import annotations

from datetime import date

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

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


def test_a_voucher_from_before_a_stock_neither_takes_of_it_nor_fills_it(
    app: Flask, client: FlaskClient
) -> None:
    """Version 1 has a budget alone; its vouchers come back after version 2 has brought a stock."""
    code = publish_benefit(app, subsidy=SUBSIDY, budget_fen=30_000)
    citizen, clerk = make_citizen(app), make_clerk(app, takes=(code,))
    before = current(code)
    returned, used = citizen.claimed(client, code), citizen.claimed(client, code)
    later = benefit_toml(code, stock=3, subsidy=SUBSIDY, budget_fen=30_000)
    operations.load_catalogue(later.replace("version = 1", "version = 2"))
    assert (pieces(code), queries.count_left(benefit=current(code))) == (3, 3)
    assert citizen.give_back(client, returned).status_code == 200
    redeemed = clerk.redeem(client, code=citizen.voucher_code(client, used))
    assert outcome(clerk.annul(client, redeemed.get_json()["receipt"])) == (200, "")
    with transaction():  # a claim that chose its version just before the next one came
        operations.take_stock(benefit=before)
        operations.return_stock(benefit_id=before.benefit_id)
    assert pieces(code) == 3
    taken = [citizen.claimed(client, code) for _ in range(3)]
    assert outcome(citizen.claim(client, code)) == (409, "out_of_stock")
    assert citizen.give_back(client, taken[0]).status_code == 200
    assert pieces(code) == 1
    assert proof.verify() == []


def test_a_version_to_come_limits_nothing_before_its_day(app: Flask, client: FlaskClient) -> None:
    code = publish_benefit(app, subsidy=SUBSIDY, budget_fen=1_200)
    citizen = make_citizen(app)
    later = benefit_toml(
        code, stock=1, subsidy=SUBSIDY, budget_fen=1_200, valid_from=date(2099, 1, 1)
    )
    operations.load_catalogue(later.replace("version = 1", "version = 2"))
    assert queries.count_left(benefit=current(code)) == 4
    for _ in range(2):
        citizen.claimed(client, code)
    assert (pieces(code), queries.count_left(benefit=current(code))) == (1, 2)


def pieces(code: str) -> int:
    """What is left of the stock, in all buckets."""
    with transaction() as session:
        return int(session.execute(
            text("SELECT sum(left_count) FROM benefit_stock WHERE benefit_code = :code"),
            {"code": code},
        ).scalar_one())


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

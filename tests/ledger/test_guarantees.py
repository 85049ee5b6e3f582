"""Fen accounts with a credit line: deposit-free rentals and visits that are paid later."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
import sqlalchemy.exc
from flask import Flask

from app.kernel.database import transaction
from app.kernel.ids import new_id, random_id
from app.ledger import operations, queries
from app.ledger.operations import Posting
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import database_time, database_value


@pytest.fixture
def citizen_id(app: Flask) -> Iterator[UUID]:
    yield random_id()
    assert_ledger_balances()


def set_line(citizen_id: UUID, amount: int, purpose: str = "guarantee") -> Posting:
    with transaction():
        return operations.set_credit_line(
            citizen_id=citizen_id, transfer_id=new_id(), purpose=purpose, amount_fen=amount
        )


def hold(citizen_id: UUID, amount: int) -> Posting:
    with transaction():
        return operations.hold_fen(
            citizen_id=citizen_id,
            transfer_id=new_id(),
            purpose="guarantee",
            amount_fen=amount,
            expires_at=database_time() + timedelta(hours=1),
            reason="umbrella",
        )


def post(citizen_id: UUID, held: Posting, amount: int | None = None) -> Posting:
    with transaction():
        return operations.post_hold(
            citizen_id=citizen_id,
            transfer_id=new_id(),
            hold_id=held.transfer_id,
            amount_units=amount,
        )


def move(citizen_id: UUID, giver: UUID, taker: UUID, amount: int) -> Posting:
    with transaction():
        return operations.transfer_fen(
            citizen_id=citizen_id,
            transfer_id=new_id(),
            from_account_id=giver,
            to_account_id=taker,
            amount_fen=amount,
            reason="repayment",
        )


def account(citizen_id: UUID, purpose: str = "guarantee") -> queries.GuaranteeBalance:
    found = queries.guarantee_balance(citizen_id=citizen_id, purpose=purpose)
    assert found is not None
    return found


def programme(name: str) -> UUID:
    found: UUID = database_value("SELECT ledger_programme_account('fen', :name)", name=name)
    return found


def test_nothing_is_held_without_a_line(citizen_id: UUID) -> None:
    assert queries.guarantee_balance(citizen_id=citizen_id, purpose="guarantee") is None
    assert hold(citizen_id, 1).refusal_code == "insufficient_credit"


def test_a_line_bounds_what_is_held_and_owed(citizen_id: UUID) -> None:
    set_line(citizen_id, 5_000)
    held = hold(citizen_id, 4_000)
    assert hold(citizen_id, 1_001).refusal_code == "insufficient_credit"
    assert post(citizen_id, held, 1_500).is_accepted
    found = account(citizen_id)
    assert (found.balance_fen, found.held_fen, found.available_fen) == (-1_500, 0, 3_500)


def test_a_debt_is_repaid(citizen_id: UUID) -> None:
    set_line(citizen_id, 5_000)
    post(citizen_id, hold(citizen_id, 4_000))
    own = account(citizen_id).account_id
    assert move(citizen_id, programme("repaid"), own, 4_000).is_accepted
    assert account(citizen_id).available_fen == 5_000


def test_a_line_is_not_set_below_what_is_in_use(citizen_id: UUID) -> None:
    set_line(citizen_id, 5_000)
    hold(citizen_id, 4_000)
    assert set_line(citizen_id, 3_999).refusal_code == "credit_line_in_use"
    assert set_line(citizen_id, 4_000).is_accepted


def test_a_line_retried_is_set_once(citizen_id: UUID) -> None:
    transfer_id = new_id()
    with transaction():
        for expected in (False, True):
            answer = operations.set_credit_line(
                citizen_id=citizen_id, transfer_id=transfer_id, purpose="clinic", amount_fen=9
            )
            assert answer.is_replay is expected


def test_fen_move_between_two_accounts_of_a_citizen(citizen_id: UUID) -> None:
    set_line(citizen_id, 5_000)
    set_line(citizen_id, 1_000, "clinic")
    rental, clinic = account(citizen_id), account(citizen_id, "clinic")
    assert move(citizen_id, rental.account_id, clinic.account_id, 5_000).is_accepted
    refused = move(citizen_id, rental.account_id, clinic.account_id, 1)
    assert refused.refusal_code == "insufficient_credit"
    assert account(citizen_id).balance_fen == -5_000
    assert account(citizen_id, "clinic").balance_fen == 5_000


def test_fen_do_not_move_to_nowhere(citizen_id: UUID) -> None:
    set_line(citizen_id, 5_000)
    own = account(citizen_id).account_id
    assert move(citizen_id, own, new_id(), 1).refusal_code == "account_not_found"
    both_outside = move(citizen_id, programme("repaid"), programme("claimed"), 1)
    assert both_outside.refusal_code == "account_not_found"


def test_points_do_not_move_like_fen(app: Flask) -> None:
    citizen_id = random_id()
    with transaction():
        operations.spend(
            citizen_id=citizen_id, transfer_id=new_id(), amount_points=1, reason="open"
        )
    points = database_value(
        "SELECT ledger_account_id(:citizen, :citizen, 'points', 'points')", citizen=citizen_id
    )
    with pytest.raises(sqlalchemy.exc.DataError) as caught:
        move(citizen_id, points, programme("claimed"), 1)
    assert isinstance(caught.value.orig, psycopg.errors.InvalidParameterValue)

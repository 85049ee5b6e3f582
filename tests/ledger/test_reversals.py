"""Reversing grants, spends and posts."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.ledger import queries
from app.ledger.operations import Posting
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import FAR, Person, today


@pytest.fixture
def person(app: Flask) -> Iterator[Person]:
    yield Person()
    assert_ledger_balances()


def test_a_reversed_grant_is_gone(person: Person) -> None:
    granted = person.grant(50)
    undone = person.reverse(granted)
    assert (undone.amount_units, undone.shortfall_units) == (50, 0)
    assert person.balance() == queries.Balance(0, 0, 0)


def test_a_transfer_is_reversed_once(person: Person) -> None:
    granted = person.grant(50)
    first = person.reverse(granted)
    assert person.reverse(granted, transfer_id=first.transfer_id).is_replay
    assert person.reverse(granted).refusal_code == "already_reversed"


def test_only_grants_spends_and_posts_are_reversed(person: Person) -> None:
    granted = person.grant(50)
    held = person.hold(10)
    undone = person.reverse(granted)
    refused = person.spend(500)
    assert person.reverse(held).refusal_code == "not_reversible"
    assert person.reverse(undone).refusal_code == "not_reversible"
    assert person.reverse(refused).refusal_code == "transfer_not_found"
    unknown = Posting(new_id(), None, False, 1, None, None, 0)
    assert person.reverse(unknown).refusal_code == "transfer_not_found"


def test_a_reversal_takes_its_own_lot_then_the_new_ones_then_the_oldest(person: Person) -> None:
    old = person.grant(50, date(2093, 1, 1))
    person.grant(5, date(2090, 1, 1))
    person.grant(20, date(2091, 1, 1))
    person.spend(5)  # from the lot of 2090
    new = person.grant(10, date(2094, 1, 1))
    held = person.hold(45)  # 20 of 2091, 25 of the old lot
    undone = person.reverse(old, prefer=new)
    assert (undone.amount_units, undone.shortfall_units) == (35, 15)
    assert person.lots_left() == [(date(2091, 1, 1), 20), (date(2093, 1, 1), 25)]
    assert person.post(held).is_accepted


def test_a_reversal_that_finds_nothing_has_no_entries(person: Person) -> None:
    granted = person.grant(50)
    person.spend(50)
    undone = person.reverse(granted)
    assert (undone.is_accepted, undone.amount_units, undone.shortfall_units) == (True, 0, 50)
    assert len(queries.entries(citizen_id=person.citizen_id)) == 2
    assert person.points_on(today()).shortfall_points == 50


def test_what_expired_unspent_is_not_due_again(person: Person) -> None:
    granted = person.grant(50, date(2026, 8, 1), on=date(2026, 6, 1))
    person.grant(100, on=date(2026, 6, 1))
    person.spend(20, on=date(2026, 7, 1))
    undone = person.reverse(granted, on=date(2026, 9, 1))
    assert (undone.amount_units, undone.shortfall_units) == (20, 0)
    assert person.lots_left() == [(FAR, 80)]
    assert person.points_on(date(2026, 9, 1)).balance_points == 80


def test_a_reversed_spend_returns_to_its_lots(person: Person) -> None:
    person.grant(10, date(2090, 1, 1))
    person.grant(10, date(2091, 1, 1))
    spent = person.spend(15)
    back = person.reverse(spent)
    assert (back.amount_units, back.balance_after_units) == (15, 20)
    assert person.lots_left() == [(date(2090, 1, 1), 10), (date(2091, 1, 1), 10)]


def test_what_a_reversed_spend_returns_past_its_expiry_expires_at_once(person: Person) -> None:
    person.grant(10, date(2026, 8, 1), on=date(2026, 6, 1))
    person.grant(10, date(2091, 1, 1), on=date(2026, 6, 1))
    spent = person.spend(15, on=date(2026, 7, 1))
    back = person.reverse(spent, on=date(2026, 9, 1))
    assert (back.amount_units, back.balance_after_units) == (15, 20)
    assert person.balance().balance_points == 10
    assert person.points_on(date(2026, 9, 1)).lots == ((date(2091, 1, 1), 10),)


def test_a_reversed_post_returns_what_was_posted(person: Person) -> None:
    person.grant(100)
    posted = person.post(person.hold(70), 30)
    assert person.reverse(posted).amount_units == 30
    assert person.balance() == queries.Balance(100, 0, 100)


def test_held_points_are_not_taken_by_a_reversal(person: Person) -> None:
    granted = person.grant(50, today() + timedelta(days=3))
    held = person.hold(30)
    undone = person.reverse(granted)
    assert (undone.amount_units, undone.shortfall_units) == (20, 30)
    assert person.post(held).is_accepted

"""Holds: placed, posted in full or in part, voided, expired by the database's clock."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.ledger import operations, queries
from app.ledger.operations import Posting
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import Person, database_time, today, wait_until

SHORT = timedelta(milliseconds=150)


@pytest.fixture
def person(app: Flask) -> Iterator[Person]:
    yield Person()
    assert_ledger_balances()


def unknown_hold() -> Posting:
    return Posting(new_id(), None, False, 1, None, None, 0)


def remaining(person: Person) -> list[int]:
    return [lot.remaining_points for lot in queries.lots(citizen_id=person.citizen_id)]


def test_held_points_are_not_available(person: Person) -> None:
    person.grant(100)
    held = person.hold(70)
    assert (held.balance_after_units, held.held_after_units) == (100, 70)
    assert person.balance() == queries.Balance(100, 70, 30)
    assert person.spend(31).refusal_code == "insufficient_points"
    assert person.hold(31).refusal_code == "insufficient_points"


def test_a_hold_is_posted_in_full(person: Person) -> None:
    person.grant(100)
    posted = person.post(person.hold(70))
    assert posted.amount_units == 70
    assert person.balance() == queries.Balance(30, 0, 30)


def test_a_whole_hold_posts_the_same_with_and_without_its_amount(person: Person) -> None:
    """Without the amount it goes the short way, which redeeming takes."""
    other = Person()
    for each in (person, other):
        each.grant(30, today() + timedelta(days=9))
        each.grant(100)
    short, long = person.post(person.hold(70)), other.post(other.hold(70), 70)
    assert replace(short, transfer_id=long.transfer_id) == long
    assert person.balance() == other.balance() == queries.Balance(60, 0, 60)
    assert remaining(person) == remaining(other) == [60]


def test_an_id_of_something_else_posts_no_hold(person: Person) -> None:
    person.grant(100)
    held, spent = person.hold(70), person.spend(10)
    assert person.post(held, transfer_id=spent.transfer_id).refusal_code == "id_reused"
    assert person.balance() == queries.Balance(90, 70, 20)
    assert person.post(held).is_accepted


def test_a_hold_is_posted_in_part_and_the_rest_is_free(person: Person) -> None:
    person.grant(100)
    held = person.hold(70)
    assert person.post(held, 71).refusal_code == "amount_too_large"
    assert person.post(held, 20).is_accepted
    assert person.balance() == queries.Balance(80, 0, 80)


def test_a_part_is_taken_from_the_oldest_held_lot(person: Person) -> None:
    day = today()
    person.grant(10, day + timedelta(days=20))
    person.grant(10, day + timedelta(days=10))
    person.post(person.hold(15), 12)
    assert person.lots_left() == [(day + timedelta(days=20), 8)]


def test_a_voided_hold_leaves_everything(person: Person) -> None:
    person.grant(100)
    person.void(person.hold(70))
    assert person.balance() == queries.Balance(100, 0, 100)


def test_a_hold_ends_once(person: Person) -> None:
    person.grant(100)
    held = person.hold(70)
    person.post(held, transfer_id=(transfer_id := new_id()))
    assert person.post(held, transfer_id=transfer_id).is_replay
    for ending in (person.post, person.void, person.expire_hold):
        assert ending(held).refusal_code == "hold_ended"


def test_an_unknown_hold_cannot_end(person: Person) -> None:
    for ending in (person.post, person.void, person.expire_hold):
        assert ending(unknown_hold()).refusal_code == "hold_not_found"


def test_a_refused_hold_cannot_end(person: Person) -> None:
    refused = person.hold(1)
    assert person.post(refused).refusal_code == "hold_not_found"


def test_a_hold_ends_with_the_databases_clock(person: Person) -> None:
    person.grant(100)
    end = database_time() + SHORT
    in_time, late = person.hold(10, until=end), person.hold(20, until=end)
    assert person.expire_hold(late).refusal_code == "hold_not_due"
    assert operations.expire_due_holds(limit=10) == 0
    assert person.post(in_time).is_accepted
    wait_until(end)
    assert person.post(late).refusal_code == "hold_expired"
    assert person.void(late).refusal_code == "hold_expired"
    assert person.balance().held_points == 20
    assert operations.expire_due_holds(limit=10) == 1
    assert operations.expire_due_holds(limit=10) == 0
    assert person.balance() == queries.Balance(90, 0, 90)
    assert person.post(late).refusal_code == "hold_ended"


def test_a_due_hold_is_ended_by_its_own_transfer(person: Person) -> None:
    person.grant(100)
    end = database_time() + SHORT
    held = person.hold(10, until=end)
    wait_until(end)
    ended = person.expire_hold(held)
    assert (ended.is_accepted, ended.amount_units) == (True, 10)


def test_a_hold_does_not_begin_after_its_end(person: Person) -> None:
    person.grant(100)
    assert person.hold(10, until=database_time()).refusal_code == "hold_expired"


def test_a_held_lot_does_not_expire_before_its_hold_ends(person: Person) -> None:
    tomorrow = today() + timedelta(days=1)
    person.grant(50, tomorrow)
    held = person.hold(30)
    assert person.expire_lots(tomorrow) == 20
    assert person.balance().held_points == 30
    assert person.points_on(today()).balance_points == 50
    posted = person.post(held, on=tomorrow)
    assert posted.balance_after_units == 0


def test_what_a_partial_post_returns_past_its_expiry_expires_at_once(person: Person) -> None:
    tomorrow = today() + timedelta(days=1)
    person.grant(50, tomorrow)
    held = person.hold(30)
    person.expire_lots(tomorrow)
    person.post(held, 10, on=tomorrow)
    assert person.balance() == queries.Balance(0, 0, 0)
    kinds = [entry.kind for entry in queries.entries(citizen_id=person.citizen_id)]
    assert kinds == ["expire", "post", "expire", "grant"]


def test_what_is_held_past_its_expiry_counts_until_its_hold_ends(person: Person) -> None:
    day = today()
    tomorrow, later = day + timedelta(days=1), day + timedelta(days=9)
    person.grant(50, tomorrow)
    held = person.hold(30, until=database_time() + timedelta(days=5))
    assert person.points_on(tomorrow).balance_points == 30
    assert person.points_on(later).balance_points == 0  # the hold will have expired
    person.post(held, 10, on=day + timedelta(days=2))
    assert person.points_on(tomorrow).balance_points == 30
    assert person.points_on(day + timedelta(days=2)).balance_points == 0


def test_a_retried_hold_is_one_hold(person: Person) -> None:
    person.grant(100)
    end = database_time() + timedelta(hours=1)
    held = person.hold(10, until=end)
    assert person.hold(10, until=end, transfer_id=held.transfer_id).is_replay
    assert person.balance().held_points == 10

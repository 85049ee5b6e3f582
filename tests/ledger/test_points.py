"""Granting, spending and expiring points; retries and refusals; the points of any day."""

from collections.abc import Iterator
from datetime import date, timedelta

import psycopg
import pytest
import sqlalchemy.exc
from flask import Flask

from app.kernel.database import transaction
from app.kernel.ids import new_id, random_id
from app.ledger import operations, queries
from app.ledger.refusals import InsufficientPoints
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import FAR, Person, database_time, today


@pytest.fixture
def person(app: Flask) -> Iterator[Person]:
    yield Person()
    assert_ledger_balances()


def test_a_person_without_an_account_has_nothing(person: Person) -> None:
    assert person.balance() == queries.Balance(0, 0, 0)
    assert person.points_on(today()).balance_points == 0
    assert queries.entries(citizen_id=person.citizen_id) == []


def test_a_grant_is_a_lot(person: Person) -> None:
    granted = person.grant(40, date(2090, 1, 1))
    assert granted.is_accepted
    assert granted.balance_after_units == 40
    (lot,) = queries.lots(citizen_id=person.citizen_id)
    assert (lot.lot_id, lot.remaining_points, lot.expires_on) == (
        granted.transfer_id,
        40,
        date(2090, 1, 1),
    )


def test_the_oldest_lot_is_spent_first(person: Person) -> None:
    person.grant(10, date(2092, 1, 1))
    person.grant(10, date(2090, 1, 1))
    person.grant(10, date(2091, 1, 1))
    person.spend(15)
    assert person.lots_left() == [(date(2091, 1, 1), 5), (date(2092, 1, 1), 10)]


def test_of_lots_that_expire_together_the_first_granted_is_spent_first(person: Person) -> None:
    first, second = person.grant(10), person.grant(10)
    person.spend(4)
    left = {lot.lot_id: lot.remaining_points for lot in queries.lots(citizen_id=person.citizen_id)}
    assert left == {first.transfer_id: 6, second.transfer_id: 10}


def test_a_retry_gets_the_first_answer(person: Person) -> None:
    granted = person.grant(40, transfer_id=(transfer_id := new_id()))
    person.grant(5)
    again = person.grant(40, transfer_id=transfer_id)
    assert again.is_replay
    assert again.balance_after_units == granted.balance_after_units == 40
    assert person.balance().balance_points == 45


@pytest.mark.parametrize("other", [{"amount": 41}, {"expires_on": date(2098, 1, 1)}, {"on": FAR}])
def test_the_same_id_for_another_request_is_refused(
    person: Person, other: dict[str, object]
) -> None:
    granted = person.grant(40)
    request: dict[str, object] = {"amount": 40, "expires_on": FAR, **other}
    reused = person.grant(transfer_id=granted.transfer_id, **request)  # type: ignore[arg-type]
    assert reused.refusal_code == "id_reused"
    assert person.spend(5, transfer_id=granted.transfer_id).refusal_code == "id_reused"
    assert person.balance().balance_points == 40


def test_a_refusal_sticks_to_its_id(person: Person) -> None:
    transfer_id = new_id()
    assert person.spend(10, transfer_id=transfer_id).refusal_code == "insufficient_points"
    person.grant(100)
    again = person.spend(10, transfer_id=transfer_id)
    assert (again.refusal_code, again.is_replay) == ("insufficient_points", True)
    with pytest.raises(InsufficientPoints):
        again.require_accepted()
    assert person.spend(10).require_accepted().balance_after_units == 90


def test_points_that_would_be_expired_are_not_granted(person: Person) -> None:
    day = date(2026, 6, 12)
    assert person.grant(10, day, on=day).refusal_code == "lot_expired"
    assert person.grant(10, day + timedelta(days=1), on=day).is_accepted


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1])
def test_an_amount_is_positive_and_sane(app: Flask, amount: int) -> None:
    with pytest.raises(sqlalchemy.exc.DataError) as caught:
        Person().grant(amount)
    assert isinstance(caught.value.orig, psycopg.errors.InvalidParameterValue)


def test_a_due_lot_does_not_count_before_it_is_swept(person: Person) -> None:
    day = today()
    person.grant(30, day, on=day - timedelta(days=5))
    person.grant(7, day + timedelta(days=1), on=day - timedelta(days=5))
    assert person.balance().available_points == 7
    assert person.spend(8).refusal_code == "insufficient_points"
    assert person.hold(8).refusal_code == "insufficient_points"
    assert person.lots_left() == [(day + timedelta(days=1), 7)]
    before = person.points_on(day)
    assert operations.expire_due_lots(limit=10) == 1
    assert operations.expire_due_lots(limit=10) == 0
    assert person.points_on(day) == before
    assert person.balance().balance_points == 7


def test_a_lot_counts_until_the_day_before_its_expiry(person: Person) -> None:
    person.grant(30, date(2026, 9, 1), on=date(2026, 6, 1))
    assert person.points_on(date(2026, 5, 31)).balance_points == 0
    assert person.points_on(date(2026, 6, 1)).balance_points == 30
    assert person.points_on(date(2026, 8, 31)).lots == ((date(2026, 9, 1), 30),)
    assert person.points_on(date(2026, 9, 1)).balance_points == 0
    assert person.spend(30, on=date(2026, 9, 1)).refusal_code == "insufficient_points"
    assert person.spend(30, on=date(2026, 8, 31)).is_accepted


def test_expiry_is_dated_with_the_lots_own_day(person: Person) -> None:
    person.grant(30, date(2026, 9, 1), on=date(2026, 6, 1))
    assert person.expire_lots(date(2026, 12, 1)) == 30
    newest = queries.entries(citizen_id=person.citizen_id)[0]
    assert (newest.kind, newest.amount_units) == ("expire", -30)
    assert newest.effective_on == date(2026, 9, 1)


def test_an_account_is_paged_newest_first(person: Person) -> None:
    for amount in (1, 2, 3, 4):
        person.grant(amount)
    page = queries.entries(citizen_id=person.citizen_id, limit=2)
    rest = queries.entries(
        citizen_id=person.citizen_id, before_version=page[-1].account_version, limit=2
    )
    assert [entry.amount_units for entry in page + rest] == [4, 3, 2, 1]
    assert [entry.balance_after_units for entry in page + rest] == [10, 6, 3, 1]


def test_a_household_has_an_account_beside_its_heads_own(person: Person) -> None:
    household = random_id()
    person.grant(5)
    with transaction():
        operations.grant(
            citizen_id=person.citizen_id,
            subject_id=household,
            transfer_id=new_id(),
            amount_points=200,
            expires_on=FAR,
            reason="household_base",
        )
    assert person.balance().balance_points == 5
    shared = queries.balance(citizen_id=person.citizen_id, subject_id=household)
    assert shared.balance_points == 200


def test_late_postings_change_no_answer_that_was_given(person: Person) -> None:
    days = [date(2026, 6, 1) + timedelta(days=20 * step) for step in range(8)]
    first = person.grant(50, date(2026, 9, 15), on=days[1])
    person.spend(20, on=days[3])
    known_at = database_time()
    before = [person.points_on(day, known_at) for day in days]
    person.grant(30, date(2026, 9, 15), on=days[0])
    person.reverse(first, on=days[2])
    person.expire_lots(days[-1])
    assert [person.points_on(day, known_at) for day in days] == before
    assert [person.points_on(day).balance_points for day in days] != [
        points.balance_points for points in before
    ]


def test_the_worked_example_of_spending_a_void_and_a_shortfall(person: Person) -> None:
    june, july, october = date(2026, 6, 12), date(2026, 7, 15), date(2026, 10, 12)
    person.grant(40, date(2027, 3, 15), on=june)
    wrong = person.grant(50, date(2028, 2, 1), on=june)
    person.grant(20, date(2028, 2, 29), on=june)
    assert person.points_on(date(2026, 6, 30)).lots == (
        (date(2027, 3, 15), 40),
        (date(2028, 2, 1), 50),
        (date(2028, 2, 29), 20),
    )
    assert person.spend(80, on=july).is_accepted
    assert person.spend(40, on=july).refusal_code == "insufficient_points"
    undone = person.reverse(wrong, on=october)
    assert (undone.amount_units, undone.shortfall_units) == (30, 20)
    person.grant(30, date(2028, 9, 19), on=october)
    for day in (date(2026, 11, 1), date(2027, 6, 30)):
        points = person.points_on(day)
        assert points.lots == ((date(2028, 9, 19), 30),)
        assert (points.balance_points, points.shortfall_points) == (30, 20)


def test_the_worked_example_of_a_correction(person: Person) -> None:
    first_of_may = date(2028, 5, 1)
    old = person.grant(30, first_of_may, on=date(2026, 6, 12))
    person.grant(20, first_of_may, on=date(2026, 6, 12))
    person.grant(20, date(2028, 3, 7), on=date(2026, 6, 15))
    person.grant(5, date(2028, 1, 20), on=date(2026, 6, 22))
    new = person.grant(10, first_of_may, on=date(2026, 10, 12))
    person.reverse(old, on=date(2026, 10, 12), prefer=new)
    assert person.points_on(date(2026, 6, 30)).balance_points == 75
    assert person.points_on(date(2026, 11, 1)).lots == (
        (date(2028, 1, 20), 5),
        (date(2028, 3, 7), 20),
        (first_of_may, 30),
    )

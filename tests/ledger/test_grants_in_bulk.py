"""Grants in bulk leave what the same grants leave one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.kernel.database import reading, savepoint, transaction
from app.kernel.ids import new_id
from app.ledger import operations
from app.ledger.operations import NewGrant
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import Person

DAY = date(2026, 6, 12)
REASON = "volunteer_hours"


@pytest.fixture(autouse=True)
def sound(app: Flask) -> Iterator[None]:
    yield
    assert_ledger_balances()


def _grant(person: Person, amount: int, days: int = 730) -> NewGrant:
    return NewGrant(person.citizen_id, new_id(), amount, DAY + timedelta(days=days))


def _post(grants: list[NewGrant]) -> None:
    with transaction():
        operations.grant_many(grants=grants, reason=REASON, effective_on=DAY)


def _left(person: Person) -> list[dict[str, Any]]:
    """What the ledger has of somebody in order, without ids, times and the hashes over them."""
    statement = """
        SELECT t.kind, t.outcome, t.asset, t.amount_units, t.shortfall_units, t.effective_on,
               t.reason, t.lot_expires_on, t.balance_after_units, t.held_after_units,
               e.amount_units AS entry_units, e.account_version, l.granted_version,
               l.granted_units, l.remaining_units, l.expires_on, a.balance_units, a.version
        FROM ledger_transfers t
        JOIN ledger_entries e USING (citizen_id, transfer_id)
        LEFT JOIN ledger_accounts a ON a.citizen_id = e.citizen_id AND a.account_id = e.account_id
        LEFT JOIN ledger_lots l ON l.citizen_id = t.citizen_id AND l.lot_id = t.transfer_id
        WHERE t.citizen_id = :citizen ORDER BY t.balance_after_units, e.amount_units
    """
    with reading() as session:
        found = session.execute(text(statement), {"citizen": person.citizen_id})
        return [dict(row) for row in found.mappings()]


def test_grants_in_bulk_leave_what_single_grants_leave() -> None:
    rng = random.Random(7)
    pairs = [(Person(), Person()) for _ in range(5)]
    for one, other in pairs[:2]:  # with something in the account before
        for person in (one, other):
            person.grant(5, on=DAY)
            person.spend(2, on=DAY)
    bulk = []
    for _ in range(40):
        one, other = rng.choice(pairs)
        amount, days = rng.randrange(1, 60), rng.randrange(1, 900)
        bulk.append(_grant(one, amount, days))
        other.grant(amount, DAY + timedelta(days=days), on=DAY)
    _post(bulk)
    for one, other in pairs:
        assert _left(one) == _left(other)


def test_a_grant_of_the_bulk_is_known_when_it_is_asked_for_alone() -> None:
    person = Person()
    grant = _grant(person, 40)
    _post([grant])
    again = person.grant(40, grant.expires_on, on=DAY, transfer_id=grant.transfer_id)
    assert again.is_replay
    assert again.balance_after_units == 40
    assert person.reverse(again).amount_units == 40


@pytest.mark.parametrize("bad", ["twice", "known", "expired", "nothing", "negative"])
def test_one_impossible_grant_and_nothing_is_posted(bad: str) -> None:
    person, friend = Person(), Person()
    known = person.grant(3, on=DAY)
    fine = _grant(friend, 10)
    wrong = {
        "twice": fine,
        "known": NewGrant(person.citizen_id, known.transfer_id, 3, DAY + timedelta(days=9)),
        "expired": _grant(person, 10, days=0),
        "nothing": _grant(person, 0),
        "negative": _grant(person, -1),
    }[bad]
    with pytest.raises(DBAPIError), transaction(), savepoint():
        operations.grant_many(grants=[fine, wrong], reason=REASON, effective_on=DAY)
    assert _balances([person, friend]) == [3, 0]


def _balances(people: list[Person]) -> list[int]:
    return [person.balance().balance_points for person in people]


def test_the_reason_is_a_short_code_in_bulk_too() -> None:
    person = Person()
    with pytest.raises(DBAPIError), transaction(), savepoint():
        operations.grant_many(grants=[_grant(person, 1)], reason="姓名", effective_on=DAY)


def test_accounts_of_many_are_opened_once() -> None:
    people = [Person() for _ in range(30)]
    _post([_grant(person, 1) for person in people for _ in range(3)])
    assert _balances(people) == [3] * 30

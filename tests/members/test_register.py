"""The register: many people at once, each of them one citizen."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from flask import Flask
from sqlalchemy import event, text

from app.kernel.database import db, reading, transaction
from app.kernel.keys import KeyProvider
from app.members import queries
from app.members.operations import register_member, register_members
from tests.members.people import made_up_member

STATEMENTS_MAX = 20


@contextmanager
def statements_counted() -> Iterator[list[str]]:
    """What the database is sent in the block; of many rows at once, once."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_1549_people_are_registered_in_bulk(app: Flask) -> None:
    keys: KeyProvider = app.extensions["card_keys"]
    people = [made_up_member() for _ in range(1549)]
    with statements_counted() as sent:
        with transaction():
            registered = register_members(keys=keys, people=people)
        found = queries.find_citizens_by_id_numbers(
            keys=keys, id_numbers=[p.id_number for p in people]
        )
    assert 0 < len(sent) <= STATEMENTS_MAX, sent
    assert len({one.citizen_id for one in registered}) == 1549
    assert all(one.created for one in registered)
    for person, one in zip(people, registered, strict=True):
        match = found[person.id_number]
        assert (match.citizen_id, match.name, match.phone, match.joined_on) == (
            one.citizen_id, person.name, person.phone, person.joined_on
        )


def test_somebody_twice_is_one_citizen(app: Flask) -> None:
    keys: KeyProvider = app.extensions["card_keys"]
    person = made_up_member()
    with transaction():
        first = register_members(keys=keys, people=[person, person])
        again = register_members(keys=keys, people=[person])
    assert [one.created for one in [*first, *again]] == [True, False, False]
    assert len({one.citizen_id for one in [*first, *again]}) == 1


def test_the_register_stores_its_consent_and_its_trail(app: Flask) -> None:
    keys: KeyProvider = app.extensions["card_keys"]
    person = made_up_member(joined_on=date(2026, 1, 5))
    with transaction():
        citizen_id = register_member(
            keys=keys, name=person.name, id_number=person.id_number, phone=None,
            joined_on=person.joined_on, channel="register",
        )
    (consent,) = queries.list_consents(citizen_id=citizen_id)
    assert (consent.purpose, consent.text_version, consent.channel) == ("membership", 1, "register")
    assert consent.decided_at.isoformat() == "2026-01-04T16:00:00+00:00"
    assert queries.consent_state(citizen_id=citizen_id, purpose="membership") == "given"
    assert queries.consent_state(citizen_id=citizen_id, purpose="loan") == "none"
    with reading() as session:
        actions = session.execute(
            text("SELECT action FROM trail_entries WHERE citizen_id = :c"), {"c": citizen_id}
        ).scalars().all()
    assert actions == ["registered"]


def test_somebody_unknown_is_not_found(app: Flask) -> None:
    keys: KeyProvider = app.extensions["card_keys"]
    assert queries.find_citizens_by_id_numbers(keys=keys, id_numbers=["11010119900307889X"]) == {}

"""One person who joins several times at once is one citizen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import transaction
from app.kernel.keys import KeyRing, new_key_document
from app.members import operations
from tests.members.api import Person, join_body, keys_of, made_up_person
from tests.members.people import made_up_member
from tests.races.threads import at_once, changed_function, meeting_before_writes
from wechat_integration.sandbox.control import SandboxControl

RACERS = 4
LOOKUP = "citizen_lookup"
CLAIMED = "FROM unnest(indexes, citizens, key_ids) AS w (blind_index, citizen_id, key_id)"
# Of each citizen's indexes, which come in the order of the ring, only the first is claimed.
FIRST_KEY_ALONE = {
    CLAIMED: "FROM (SELECT DISTINCT ON (citizen_id) * FROM unnest(indexes, citizens, key_ids)"
    " WITH ORDINALITY AS one (blind_index, citizen_id, key_id, at) ORDER BY citizen_id, at) AS w",
}


@contextmanager
def without_the_key(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """The primary key of the lookup table is what makes one person one citizen."""
    admin.execute("ALTER TABLE citizen_lookup DROP CONSTRAINT pk_citizen_lookup")
    try:
        yield
    finally:
        admin.execute(
            "TRUNCATE citizen_lookup; ALTER TABLE citizen_lookup"
            " ADD CONSTRAINT pk_citizen_lookup PRIMARY KEY (blind_index, purpose)"
        )


def citizens(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute("SELECT count(*) FROM citizens").fetchone()
    assert row is not None
    return int(row[0])


def race(app: Flask, sandbox: SandboxControl, people: list[Person]) -> list[Any]:
    client = app.test_client()
    bodies = [join_body(client, sandbox, person) for person in people]
    return at_once(
        [partial(app.test_client().post, "/api/v1/join", json=body) for body in bodies]
    )


def test_one_phone_joins_at_once(
    committing_app: Flask, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    person = made_up_person(sandbox)
    with meeting_before_writes(admin, LOOKUP, RACERS):
        answers = race(committing_app, sandbox, [person] * RACERS)
    assert [answer.status_code for answer in answers] == [201] * RACERS
    assert citizens(admin) == 1


def test_two_wechat_accounts_claim_one_person(
    committing_app: Flask, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    one = made_up_person(sandbox)
    others = [
        made_up_person(sandbox, name=one.name, id_number=one.id_number) for _ in range(RACERS - 1)
    ]
    with meeting_before_writes(admin, LOOKUP, RACERS):
        answers = race(committing_app, sandbox, [one, *others])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (RACERS - 1)
    assert citizens(admin) == 1


def test_one_wechat_account_claims_two_people(
    committing_app: Flask, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    one = made_up_person(sandbox)
    other = made_up_person(sandbox, openid=one.openid)
    with meeting_before_writes(admin, LOOKUP, 2):
        answers = race(committing_app, sandbox, [one, other])
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert citizens(admin) == 1


def test_without_the_key_one_person_becomes_several_citizens(
    committing_app: Flask, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    one = made_up_person(sandbox)
    other = made_up_person(sandbox, name=one.name, id_number=one.id_number)
    with without_the_key(admin), meeting_before_writes(admin, LOOKUP, 2):
        race(committing_app, sandbox, [one, other])
        assert citizens(admin) > 1


def test_two_registers_at_once_make_each_person_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    people = [made_up_member() for _ in range(200)]

    def register(order: int) -> set[Any]:
        with committing_app.app_context(), transaction():
            found = operations.register_members(
                keys=keys_of(committing_app), people=people[::order]
            )
        return {one.citizen_id for one in found}

    first, second = at_once([partial(register, 1), partial(register, -1)])
    assert first == second
    assert citizens(admin) == len(people)


def rings() -> tuple[KeyRing, KeyRing, KeyRing]:
    """While a key of the index changes: before it is known, known, and in use."""
    document = new_key_document()
    (old,), (fresh,) = document["index_id_number"], new_key_document()["index_id_number"]
    fresh = {**fresh, "id": 2}
    orders = ([old], [old, fresh], [fresh, old])
    before, known, used = (
        KeyRing.from_document({**document, "index_id_number": order}) for order in orders
    )
    return before, known, used


def registered_by(app: Flask, *given: KeyRing) -> set[UUID]:
    """Processes with these rings register the same people at once; which citizens they found."""
    people = [made_up_member() for _ in range(3)]

    def register(keys: KeyRing) -> list[UUID]:
        with app.app_context(), transaction():
            found = operations.register_members(keys=keys, people=people)
        return [one.citizen_id for one in found]

    first, *others = at_once([partial(register, ring) for ring in given])
    assert all(other == first for other in others)
    return set(first)


def test_d4_processes_with_different_keys_make_a_person_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    before, known, used = rings()
    found = set()
    with meeting_before_writes(admin, LOOKUP, 2):
        for pair in ((before, known), (used, known)):
            found |= registered_by(committing_app, *pair)
    assert citizens(admin) == len(found) == 6
    kept = admin.execute("SELECT DISTINCT citizen_id FROM citizen_lookup").fetchall()
    assert {row[0] for row in kept} == found


def test_d4_claimed_under_the_key_in_use_alone_a_person_becomes_two(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """The control: without the indexes under the other keys of the ring."""
    _, known, used = rings()
    claim = "citizen_lookup_claim(text,uuid[],bytea[],bigint[])"
    with meeting_before_writes(admin, LOOKUP, 2), changed_function(admin, claim, FIRST_KEY_ALONE):
        with pytest.raises(AssertionError):
            registered_by(committing_app, known, used)
        assert citizens(admin) == 6

"""Making citizens: one person is one citizen, whoever comes first.

The primary key of `citizen_lookup` decides.  Who loses the race finds the row of the winner and
goes on with that citizen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy import insert, literal, select, text
from sqlalchemy.orm import Session

from app.kernel.crypto import new_data_key
from app.kernel.database import transaction_required
from app.kernel.ids import random_id
from app.kernel.keys import Key, KeyProvider
from app.members.consents import REGISTER_CHANNEL, Decision, current_texts, record_decisions
from app.members.models import Citizen, CitizenKey, CitizenLookup, CitizenProfile
from app.members.sealing import PROFILES, blind_indexes, keyed_indexes, seal_field
from app.trail.operations import SYSTEM, Actor, record_accesses

MEMBERSHIP = "membership"
_CLAIM = text(
    "SELECT citizen_lookup_claim(:lookup, CAST(:citizens AS uuid[]), CAST(:indexes AS bytea[]),"
    " CAST(:key_ids AS bigint[]))"
)


@dataclass(frozen=True)
class NewMember:
    """Somebody to be registered, everything in canonical form; nothing shows in a representation.

    The caller has checked name, number, phone and age.
    """

    name: str = field(repr=False)
    id_number: str = field(repr=False)
    phone: str | None = field(repr=False)
    joined_on: date


@dataclass(frozen=True)
class Registered:
    """The citizen of a person; `created` is false when the person was a citizen before."""

    citizen_id: UUID
    created: bool


def register_members(
    *,
    keys: KeyProvider,
    people: Sequence[NewMember],
    channel: str = REGISTER_CHANNEL,
    actor: Actor = SYSTEM,
) -> list[Registered]:
    """Register people with their consent to membership, in the open transaction and in order.

    Somebody who is a citizen already stays exactly as is (compare first with
    `find_citizens_by_id_numbers`).  The consent is dated at the start of `joined_on`.
    """
    session = transaction_required()
    found = ensure_citizens(session, keys=keys, people=people)
    created = [
        (person, one.citizen_id)
        for person, one in zip(people, found, strict=True) if one.created
    ]
    current = current_texts()[MEMBERSHIP]
    record_decisions(
        [
            Decision(citizen_id=citizen_id, text=current, channel=channel, decided_on=p.joined_on)
            for p, citizen_id in created
        ]
    )
    record_accesses(
        citizen_ids=[citizen_id for _, citizen_id in created],
        actor=actor, action="registered", fields=("name", "id_number", "phone"),
        basis="register of consents",
    )
    return found


def ensure_citizens(
    session: Session, *, keys: KeyProvider, people: Sequence[NewMember]
) -> list[Registered]:
    """One citizen per person: the one there was, or a new one without a consent yet."""
    known = _known(session, keys, people)
    fresh = {p.id_number: p for p in people if p.id_number not in known}
    made = {number: random_id() for number in fresh}
    won = claim_indexes(session, keys, made, purpose="id_number")
    created = {number: citizen_id for number, citizen_id in made.items() if citizen_id in won}
    _insert_citizens(session, keys, [(fresh[n], c) for n, c in created.items()])
    if len(created) < len(made):  # somebody else was faster; their rows are committed by now
        known |= _known(session, keys, [p for n, p in fresh.items() if n not in created])
    counted: set[str] = set()
    result = []
    for person in people:
        number = person.id_number
        is_new = number in created and number not in counted
        counted.add(number)
        result.append(Registered(created.get(number) or known[number], is_new))
    return result


def claim_indexes(
    session: Session, keys: KeyProvider, wanted: dict[str, UUID], *, purpose: str
) -> set[UUID]:
    """Bind values to citizens by a blind index under every usable key; the citizens who got theirs.

    Under every key, because other processes may look with one alone while keys are changed.
    """
    if not wanted:
        return set()
    rows = [
        (citizen_id, index, key_id)
        for value, citizen_id in wanted.items()
        for key_id, index in keyed_indexes(keys, purpose, value)
    ]
    citizens, indexes, key_ids = zip(*rows, strict=True)
    return set(session.scalars(_CLAIM, {
        "lookup": purpose, "citizens": [*citizens], "indexes": [*indexes], "key_ids": [*key_ids],
    }))


def _known(
    session: Session, keys: KeyProvider, people: Sequence[NewMember]
) -> dict[str, UUID]:
    by_index = {
        index: person.id_number
        for person in people
        for index in blind_indexes(keys, "id_number", person.id_number)
    }
    if not by_index:
        return {}
    query = select(CitizenLookup.blind_index, CitizenLookup.citizen_id).where(
        CitizenLookup.purpose == literal("id_number"), CitizenLookup.blind_index.in_(by_index)
    )
    return {by_index[index]: citizen_id for index, citizen_id in session.execute(query)}


def _insert_citizens(
    session: Session, keys: KeyProvider, people: Sequence[tuple[NewMember, UUID]]
) -> None:
    if not people:
        return
    citizens, wrapped_keys, profiles = [], [], []
    for person, citizen_id in people:
        key, wrapped = new_data_key(keys, citizen_id=citizen_id)
        citizens.append({"citizen_id": citizen_id, "joined_on": person.joined_on})
        wrapped_keys.append({"citizen_id": citizen_id, "wrapped_key": wrapped})
        profiles.append(_profile_row(key, person, citizen_id))
    session.execute(insert(Citizen), citizens)
    session.execute(insert(CitizenKey), wrapped_keys)
    session.execute(insert(CitizenProfile), profiles)


def _profile_row(key: Key, person: NewMember, citizen_id: UUID) -> dict[str, object]:
    plain = {"name": person.name, "id_number": person.id_number, "phone": person.phone}
    sealed = {
        f"{name}_sealed": None if value is None else seal_field(
            key, value, table=PROFILES, column=f"{name}_sealed", citizen_id=citizen_id
        )
        for name, value in plain.items()
    }
    return {"citizen_id": citizen_id, **sealed}

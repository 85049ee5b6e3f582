"""What citizens arrange in life: who may ask after their death, or nobody (PIPL art. 49).

Without an arrangement the law holds: near relatives may, for lawful interests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.deaths.models import DeathArrangement
from app.deaths.sealing import ARRANGEMENTS, data_key, open_text, seal_text
from app.kernel.database import reading, transaction
from app.kernel.keys import KeyProvider
from app.members.id_numbers import mask_id_number, parse_id_number
from app.members.spelling import mask_name, parse_name
from app.trail.operations import Actor, record_access

LAW: Final = "law"
NOBODY: Final = "nobody"
NAMED: Final = "named"
CHOICES: Final = (LAW, NOBODY, NAMED)
NAMED_MAX: Final = 5
_COLUMN: Final = "persons_sealed"
# A person's arrangement does not change while a second person grants what it forbids.
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('deaths:' || :citizen, 0))")


@dataclass(frozen=True)
class Named:
    """Somebody whom a citizen names."""

    name: str = field(repr=False)
    id_number: str = field(repr=False)


@dataclass(frozen=True)
class Arrangement:
    """What stands; `persons` are masked.  `arranged_at` is null where the law alone holds."""

    choice: str
    persons: tuple[Named, ...]
    arranged_at: datetime | None


def arrange(
    *, keys: KeyProvider, citizen_id: UUID, choice: str, persons: Sequence[Named]
) -> Arrangement:
    """Set what holds after the citizen's death; the last word counts, `law` takes it back.

    Refuses `name_invalid`, `id_number_invalid`.
    """
    named = [
        (parse_name(one.name), parse_id_number(one.id_number).value) for one in persons
    ]
    with transaction() as session:
        lock_dead(session, citizen_id)
        if choice == LAW:
            session.execute(
                delete(DeathArrangement).where(DeathArrangement.citizen_id == citizen_id)
            )
        else:
            _write(session, keys, citizen_id, choice, named)
        record_access(
            citizen_id=citizen_id, actor=Actor("citizen", citizen_id),
            action="death_arranged", basis="request",
        )
    return show_arrangement(keys=keys, citizen_id=citizen_id)


def show_arrangement(*, keys: KeyProvider, citizen_id: UUID) -> Arrangement:
    """What a citizen has arranged, the persons masked."""
    with reading() as session:
        row = session.get(DeathArrangement, citizen_id, populate_existing=True)
    if row is None:
        return Arrangement(LAW, (), None)
    masked = tuple(
        Named(mask_name(name), mask_id_number(number))
        for name, number in _persons(keys, row)
    )
    return Arrangement(row.choice, masked, row.arranged_at)


def may_ask(
    session: Session, keys: KeyProvider, *, citizen_id: UUID, id_number: str, relation: str
) -> bool:
    """Whether somebody with this number may ask: a named person, or else a near relative."""
    row = session.get(DeathArrangement, citizen_id, populate_existing=True)
    if row is None:
        return relation != NAMED
    return id_number in {number for _, number in _persons(keys, row)}


def lock_dead(session: Session, citizen_id: UUID) -> None:
    """Of one person one thing after another is arranged, reported and decided."""
    session.execute(_LOCK, {"citizen": str(citizen_id)})


def _write(
    session: Session, keys: KeyProvider, citizen_id: UUID, choice: str,
    named: list[tuple[str, str]],
) -> None:
    sealed = None
    if choice == NAMED:
        sealed = seal_text(
            data_key(keys, citizen_id), orjson.dumps(named).decode(),
            table=ARRANGEMENTS, column=_COLUMN, row_id=citizen_id,
        )
    values = {"choice": choice, _COLUMN: sealed, "arranged_at": func.clock_timestamp()}
    session.execute(
        insert(DeathArrangement)
        .values(citizen_id=citizen_id, **values)
        .on_conflict_do_update(index_elements=[DeathArrangement.citizen_id], set_=values)
    )


def _persons(keys: KeyProvider, row: DeathArrangement) -> list[tuple[str, str]]:
    if row.persons_sealed is None:
        return []
    plain = open_text(
        data_key(keys, row.citizen_id), row.persons_sealed,
        table=ARRANGEMENTS, column=_COLUMN, row_id=row.citizen_id,
    )
    return [(name, number) for name, number in orjson.loads(plain)]

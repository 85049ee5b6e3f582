"""Gathering everything that is kept of one person, as the data inventory says (ADR 19).

This is the one place that reads the rows of other rooms: never on a hot path, never to write.  What
is in a copy and what is left out stands in the inventory alone, so that a new table is in the copy
as soon as it is labelled.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, column, select
from sqlalchemy import table as named
from sqlalchemy.orm import Session

from app.kernel.crypto import unseal_with
from app.kernel.database import transaction
from app.kernel.keys import Key, KeyProvider
from app.members.profiles import CitizenNotFound
from app.members.queries import database_now, find_data_key, names_of_actors
from app.rights.data_inventory import ColumnClass, KeptTable, read_inventory
from app.trail.operations import Actor, record_access

FORMAT: Final = "integrity-card/personal-copy"
VERSION: Final = 1
ROWS_MAX: Final = 100_000  # of one table; more is an alarm and not a shorter copy
TRAIL: Final = "trail_entries"
ACTOR_NAME: Final = "actor_name"  # of the trail, beside the columns


class CopyTooLargeError(RuntimeError):
    """Somebody has more rows than a person can have; a copy must not leave some out."""


def gather(*, keys: KeyProvider, citizen_id: UUID, actor: Actor) -> dict[str, Any]:
    """Everything of one person by table and column, opened, with a line in their trail.

    The line is written first: when it cannot be written nothing is read.  CitizenNotFound when the
    key is gone.
    """
    with transaction() as session:
        record_access(
            citizen_id=citizen_id, actor=actor, action="copy_made",
            fields=["everything"], basis="request",
        )
        key = find_data_key(keys=keys, citizen_id=citizen_id)
        if key is None:
            raise CitizenNotFound
        return {
            "format": FORMAT, "version": VERSION, "made_at": database_now(),
            "citizen_id": citizen_id,
            "tables": {
                name: _rows(session, table, citizen_id, key)
                for name, table in read_inventory().items()
                if table.copied
            },
        }


def plain_name(column: str) -> str:
    """What a column is called in a copy: there it is not sealed any more."""
    return column.removesuffix("_sealed")


def _rows(
    session: Session, table: KeptTable, citizen_id: UUID, key: Key
) -> list[dict[str, Any]]:
    wanted = [*table.copied, "citizen_id", *(["actor_id"] if table.name == TRAIL else [])]
    query: Select[*tuple[Any, ...]] = (
        select(*map(column, wanted))
        .select_from(named(table.name))
        .where(column("citizen_id") == citizen_id)
        .order_by(*map(column, _order(table)))
        .limit(ROWS_MAX + 1)
    )
    found = [dict(row) for row in session.execute(query).mappings()]
    if len(found) > ROWS_MAX:
        raise CopyTooLargeError(table.name)
    plain = [
        {plain_name(name): _plain(table, name, row, key) for name in table.copied}
        for row in found
    ]  # fmt: skip
    if table.name == TRAIL:
        names = names_of_actors(actor_ids={row["actor_id"] for row in found if row["actor_id"]})
        for line, row in zip(plain, found, strict=True):
            line[ACTOR_NAME] = names.get(row["actor_id"])
    return plain


def _order(table: KeptTable) -> Iterator[str]:
    """By time, where there is one; then by number."""
    times = [name for name in table.copied if name.endswith(("_at", "_on"))]
    yield "created_at" if "created_at" in times else next(iter(times), table.copied[0])
    yield table.copied[0]


def _plain(table: KeptTable, name: str, row: Mapping[str, Any], key: Key) -> object:
    value = row[name]
    if value is None:
        return None
    if table.columns[name] in {ColumnClass.SEALED, ColumnClass.SEALED_FILE}:
        return _opened(table, name, row, key)
    return value.hex() if isinstance(value, bytes) else value


def _opened(table: KeptTable, name: str, row: Mapping[str, Any], key: Key) -> str:
    assert table.sealed_as is not None, "the inventory is checked when it is read"
    place = table.sealed_as.format(**row, column=name, plain=plain_name(name))
    content = unseal_with(key, row[name], context=place.encode())
    if table.columns[name] is ColumnClass.SEALED_FILE:
        return b64encode(content).decode()
    return content.decode()

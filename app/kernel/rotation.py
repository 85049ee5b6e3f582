"""Moving what is kept from key to key, batch by batch, while the service goes on.

Rooms say what they keep under keys of the ring (`Stock`).  Nothing is noted about how far a move
is: the rows tell it themselves, so that it may be broken off anywhere and begun anew.  A row that
somebody changes meanwhile is left as they made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Executable,
    LargeBinary,
    Uuid,
    column,
    func,
    literal,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.kernel.crypto import SealBrokenError, reseal, rewrap_key
from app.kernel.database import reading, transaction
from app.kernel.keys import KeyProvider, KeyPurpose

FIRST_ID = UUID(int=0)


class KeyLostError(LookupError):
    """A value cannot be opened by any key of the ring; the message says where it stands."""


@dataclass(frozen=True)
class OldKey:
    """A key that is not active; nothing that it serves was made after `used_until`."""

    id: int
    used_until: datetime


class Stock(Protocol):
    """What a room keeps under keys of one purpose."""

    @property
    def purpose(self) -> KeyPurpose:
        """Whose keys."""

    @property
    def name(self) -> str:
        """What it is, for operators."""

    def needing(self, keys: KeyProvider, key: OldKey) -> int:
        """How many could not be read, found or checked without this key."""

    def renew(self, keys: KeyProvider, batch: int) -> Iterator[int]:
        """Move what can be moved under the active key; yields how many after each commit."""


@dataclass(frozen=True)
class Closed:
    """A column of sealed values or, with `is_key`, of wrapped keys, each bound to its row."""

    purpose: KeyPurpose
    table: str
    id_column: str
    column: str
    context: Callable[[UUID], bytes]
    is_key: bool = False

    @property
    def name(self) -> str:
        """The column."""
        return f"{self.table}.{self.column}"

    def needing(self, keys: KeyProvider, key: OldKey) -> int:  # noqa: ARG002 -- of `Stock`
        """How many values are under the key."""
        return self._count(func.get_byte(column(self.column), 1) == key.id)

    def lost(self, keys: KeyProvider) -> int:
        """How many values are under no key of the ring."""
        ids = [key.id for key in keys.all(self.purpose)]
        return self._count(func.get_byte(column(self.column), 1).not_in(ids))

    def _count(self, condition: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(table(self.table)).where(condition)
        with reading() as session:
            return session.scalar(query) or 0

    def renew(self, keys: KeyProvider, batch: int) -> Iterator[int]:
        """Close everything under the active key, in the order of ids, batch by batch."""
        after: UUID | None = FIRST_ID
        while after is not None:
            after, count = self._renew_after(after, keys, batch)
            yield count

    def _renew_after(
        self, after: UUID, keys: KeyProvider, batch: int
    ) -> tuple[UUID | None, int]:
        row_id: Any = column(self.id_column, Uuid())
        value: Any = column(self.column, LargeBinary())
        query = (
            select(row_id, value).select_from(table(self.table))
            .where(row_id > after, func.get_byte(value, 1) != keys.active(self.purpose).id)
            .order_by(row_id).limit(batch)
        )
        with transaction() as session:
            found = session.execute(query).all()
            if found:
                fresh = [self._renewed(keys, one, held) for one, held in found]
                session.execute(self._replacing(found, fresh))
        return (found[-1][0] if len(found) == batch else None), len(found)

    def _renewed(self, keys: KeyProvider, row_id: UUID, held: bytes) -> bytes:
        renew = rewrap_key if self.is_key else reseal
        try:
            return renew(keys, self.purpose, held, context=self.context(row_id))
        except SealBrokenError as error:
            raise KeyLostError(f"{self.name} of {row_id}") from error

    def _replacing(self, found: Sequence[Any], fresh: list[bytes]) -> Executable:
        """Only where the value is still the one that was read."""
        target = table(self.table, column(self.id_column, Uuid()), column(self.column))
        given = func.unnest(
            literal([one for one, _ in found], ARRAY(Uuid())),
            literal([held for _, held in found], ARRAY(LargeBinary())),
            literal(fresh, ARRAY(LargeBinary())),
        ).table_valued(column("row_id", Uuid()), column("held", LargeBinary()),
                       column("fresh", LargeBinary()), name="given").render_derived()
        return (
            update(target)
            .where(target.c[self.id_column] == given.c.row_id,
                   target.c[self.column] == given.c.held)
            .values({self.column: given.c.fresh})
        )


@dataclass(frozen=True)
class Awaited:
    """What cannot be moved and ends by itself: a count of what is alive from the key's time."""

    purpose: KeyPurpose
    name: str
    count: Callable[[OldKey], int]

    def needing(self, keys: KeyProvider, key: OldKey) -> int:  # noqa: ARG002 -- of `Stock`
        """How many are alive."""
        return self.count(key)

    def renew(self, keys: KeyProvider, batch: int) -> Iterator[int]:  # noqa: ARG002 -- of `Stock`
        """Nothing can be done but wait."""
        yield from ()

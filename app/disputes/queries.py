"""Reading the marks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from app.disputes.models import DisputedItem
from app.kernel.database import reading

RECORD: Final = "record"
REDEMPTION: Final = "redemption"
CLAIM: Final = "claim"
ORDER: Final = "order"
REPAIR: Final = "repair"


@dataclass(frozen=True, slots=True)
class Item:
    """What may be disputed: a record by type and number, anything else by its id."""

    kind: str
    name: str

    @classmethod
    def of_record(cls, record_type: str, record_number: str) -> Item:
        """A record, whatever its version."""
        return cls(RECORD, f"{record_type}/{record_number}")


def find_disputed(*, kind: str, citizen_ids: Collection[UUID]) -> frozenset[tuple[UUID, Item]]:
    """The items of one kind that are disputed now, with whose they are."""
    if not citizen_ids:
        return frozenset()
    query = select(DisputedItem.citizen_id, DisputedItem.item).where(
        DisputedItem.citizen_id.in_(citizen_ids),
        DisputedItem.kind == kind,
        DisputedItem.lifted_at.is_(None),
    )
    with reading() as session:
        return frozenset((row.citizen_id, Item(kind, row.item)) for row in session.execute(query))

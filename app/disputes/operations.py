"""Marking what is disputed, and lifting the mark, in the transaction of the objection."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert

from app.disputes.models import DisputedItem
from app.disputes.queries import Item
from app.kernel.database import transaction_required


def mark(*, citizen_id: UUID, objection_id: UUID, item: Item) -> None:
    """Mark an item at once, or again; every list that shows it says so from the commit on."""
    marking = insert(DisputedItem).values(
        citizen_id=citizen_id, objection_id=objection_id, kind=item.kind, item=item.name
    )
    transaction_required().execute(marking.on_conflict_do_update(
        index_elements=[DisputedItem.citizen_id, DisputedItem.objection_id],
        set_={"marked_at": func.clock_timestamp(), "lifted_at": None},
    ))


def lift(*, citizen_id: UUID, objection_id: UUID) -> None:
    """Lift the mark of an objection; that of another one about the same item stays."""
    transaction_required().execute(
        update(DisputedItem)
        .where(
            DisputedItem.citizen_id == citizen_id,
            DisputedItem.objection_id == objection_id,
            DisputedItem.lifted_at.is_(None),
        )
        .values(lifted_at=func.clock_timestamp())
    )

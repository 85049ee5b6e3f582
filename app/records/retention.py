"""The end of a record: when the catalogue's retention is over, it is deleted with all its versions.

The retention counts from the event (of a void: from its delivery), of the newest version.  The
points that a record brought stay in the ledger.  A record that is disputed stays until it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text

from app.disputes.queries import RECORD, Item, find_disputed
from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading, transaction_required
from app.records.models import ExpiredRecords, Record
from app.records.queries import catalogue_in_force

_KEPT_FROM: Final = func.coalesce(Record.event_on, Record.delivered_on)
_EXPIRE: Final = text("""
    SELECT citizen_id FROM records_expire(CAST(:citizens AS uuid[]), CAST(:kinds AS text[]),
        CAST(:numbers AS text[]), CAST(:days AS integer[]))
""")


class Due(NamedTuple):
    """A record with a version whose retention is over."""

    citizen_id: UUID
    record_type: str
    record_number: str
    retention_days: int


def due_batches(*, limit: int) -> Iterator[list[Due]]:
    """Records with a version past its retention, in batches, by type; disputed ones are left out.

    The retentions are those of the catalogue in force; 0 is as long as the person is a member.
    """
    retentions = {
        kind.code: kind.retention_days for kind in catalogue_in_force().record_types.values()
        if kind.retention_days > 0
    }
    for code, days in retentions.items():
        after: tuple[UUID, str] | None = None
        while found := _due(code, days, limit, after):
            after = found[-1].citizen_id, found[-1].record_number
            disputed = find_disputed(kind=RECORD, citizen_ids={one.citizen_id for one in found})
            yield [
                one for one in found
                if (one.citizen_id, Item.of_record(code, one.record_number)) not in disputed
            ]


def expire_records(due: Sequence[Due]) -> list[UUID]:
    """Delete those that are due in every version, in the open transaction; whose they were."""
    rows = transaction_required().scalars(_EXPIRE, {
        "citizens": [one.citizen_id for one in due], "kinds": [one.record_type for one in due],
        "numbers": [one.record_number for one in due],
        "days": [one.retention_days for one in due],
    })  # fmt: skip
    return list(rows)


def expired_until(*, citizen_id: UUID) -> date | None:
    """The last day on which a record counted that is deleted since; None: none was."""
    query = select(ExpiredRecords.counted_until_on).where(ExpiredRecords.citizen_id == citizen_id)
    with reading() as session:
        return session.scalar(query)


def _due(code: str, days: int, limit: int, after: tuple[UUID, str] | None) -> list[Due]:
    query = (
        select(Record.citizen_id, Record.record_number)
        .where(Record.record_type == code, CITY_TODAY - days > _KEPT_FROM)
        .distinct()
        .order_by(Record.citizen_id, Record.record_number)
        .limit(limit)
    )
    if after is not None:
        query = query.where(func.row(Record.citizen_id, Record.record_number) > func.row(*after))
    with reading() as session:
        return [Due(citizen, code, number, days) for citizen, number in session.execute(query)]

"""Adverse records: each ends by itself, and once repaired it stays ended (R17, R18).

A version of an adverse record is in force for its term at most: the end is written when it is kept,
so that nothing has to be done on the day for it to count no more.  A repaired record's later
versions are kept and never in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading, transaction_required
from app.records.catalogue import RecordType
from app.records.keeping import NewVersion
from app.records.models import AdverseRecord, Record
from app.records.severity import latest_end

_NOTE: Final = text("""
    INSERT INTO adverse_records AS a (citizen_id, record_type, record_number, event_on, ends_on)
    SELECT n.citizen_id, :record_type, n.record_number, n.event_on, n.ends_on
    FROM unnest(CAST(:citizens AS uuid[]), CAST(:numbers AS text[]), CAST(:days AS date[]),
                CAST(:ends AS date[])) AS n (citizen_id, record_number, event_on, ends_on)
    ON CONFLICT (citizen_id, record_type, record_number) DO UPDATE
    SET event_on = excluded.event_on, ends_on = excluded.ends_on, told_at = NULL
    WHERE a.repaired_on IS NULL AND a.ends_on <> excluded.ends_on
""")


@dataclass(frozen=True)
class Adverse:
    """An adverse record, which from `ends_on` on has no effect.

    `known_from_at` is when its first version came; `repaired_on` is set when a repair ended it.
    """

    citizen_id: UUID
    record_type: str
    record_number: str
    event_on: date
    ends_on: date
    repaired_on: date | None
    told_at: datetime | None
    known_from_at: datetime


def limit_terms(
    session: Session, *, versions: Sequence[NewVersion], record_type: RecordType
) -> list[NewVersion]:
    """The versions of an adverse type with the day on which each ends, noted for those to come."""
    repaired = _repaired(session, versions)
    limited = [
        version._replace(in_force_until=_end(version, record_type, repaired))
        for version in versions
    ]
    last = {version.row.record_number: version for version in limited}
    noted = [
        version for version in last.values() if version.row.event_on is not None
    ]
    voided = [version for version in last.values() if version.row.event_on is None]
    session.execute(_NOTE, {
        "record_type": record_type.code,
        "citizens": [version.row.citizen_id for version in noted],
        "numbers": [version.row.record_number for version in noted],
        "days": [version.row.event_on for version in noted],
        "ends": [_term_end(version, record_type) for version in noted],
    })
    for version in voided:
        _end_early(session, version.row.citizen_id, record_type.code,
                   version.row.record_number, version.row.delivered_on)
    return limited


def end_repaired(*, citizen_id: UUID, record_type: str, record_number: str, on: date) -> None:
    """End a record for good, from this day on, in the open transaction."""
    session = transaction_required()
    session.execute(
        update(AdverseRecord)
        .where(
            AdverseRecord.citizen_id == citizen_id, AdverseRecord.record_type == record_type,
            AdverseRecord.record_number == record_number,
        )
        .values(repaired_on=on, ends_on=func.least(AdverseRecord.ends_on, on), told_at=None)
    )
    session.execute(
        update(Record)
        .where(
            Record.citizen_id == citizen_id, Record.record_type == record_type,
            Record.record_number == record_number,
        )
        .values(replaced_on=func.least(Record.replaced_on, on))
    )


def find_adverse(
    *, citizen_id: UUID, record_type: str, record_number: str
) -> Adverse | None:
    """One adverse record of a citizen, ended or not."""
    with reading() as session:
        row = session.get(AdverseRecord, (citizen_id, record_type, record_number))
        return None if row is None else _adverse(row)


def list_adverse(*, citizen_id: UUID, limit: int) -> list[Adverse]:
    """The adverse records of a citizen that have not ended, the first to end first."""
    query = (
        select(AdverseRecord)
        .where(AdverseRecord.citizen_id == citizen_id, AdverseRecord.ends_on > CITY_TODAY)
        .order_by(AdverseRecord.ends_on, AdverseRecord.record_number)
        .limit(limit)
    )
    with reading() as session:
        return [_adverse(row) for row in session.scalars(query)]


def list_ended_untold(*, limit: int) -> list[Adverse]:
    """Records that have ended and whose receivers have not been told, the first to end first."""
    query = (
        select(AdverseRecord)
        .where(AdverseRecord.told_at.is_(None), AdverseRecord.ends_on <= CITY_TODAY)
        .order_by(AdverseRecord.ends_on, AdverseRecord.citizen_id)
        .limit(limit)
    )
    with reading() as session:
        return [_adverse(row) for row in session.scalars(query)]


def take_to_tell(*, ended: Adverse) -> bool:
    """Note that the receivers are told now, in the open transaction; False when they were."""
    telling = (
        update(AdverseRecord)
        .where(
            AdverseRecord.citizen_id == ended.citizen_id,
            AdverseRecord.record_type == ended.record_type,
            AdverseRecord.record_number == ended.record_number,
            AdverseRecord.told_at.is_(None),
        )
        .values(told_at=func.clock_timestamp())
        .returning(AdverseRecord.citizen_id)
    )
    return transaction_required().scalar(telling) is not None


def _repaired(session: Session, versions: Sequence[NewVersion]) -> frozenset[tuple[UUID, str]]:
    query = select(AdverseRecord.citizen_id, AdverseRecord.record_number).where(
        AdverseRecord.citizen_id.in_({version.row.citizen_id for version in versions}),
        AdverseRecord.record_type == versions[0].row.record_type,
        AdverseRecord.repaired_on.is_not(None),
    )
    return frozenset((row.citizen_id, row.record_number) for row in session.execute(query))


def _end(
    version: NewVersion, record_type: RecordType, repaired: frozenset[tuple[UUID, str]]
) -> date | None:
    row = version.row
    if (row.citizen_id, row.record_number) in repaired:
        return row.delivered_on
    return None if row.event_on is None else _term_end(version, record_type)


def _term_end(version: NewVersion, record_type: RecordType) -> date:
    """The first day after the term; of a record that says an earlier one, that."""
    document_on, severity = version.row.event_on, record_type.severity
    assert document_on is not None
    assert record_type.term_days is not None
    end = document_on + timedelta(days=record_type.term_days)
    if severity is not None:
        end = min(end, latest_end(severity, document_on))
    return min(end, version.row.ends_on or end)


def _end_early(
    session: Session, citizen_id: UUID, record_type: str, record_number: str, on: date
) -> None:
    """A record that its source took back has ended, and its receivers are told that too."""
    session.execute(
        update(AdverseRecord)
        .where(
            AdverseRecord.citizen_id == citizen_id, AdverseRecord.record_type == record_type,
            AdverseRecord.record_number == record_number, AdverseRecord.ends_on > on,
        )
        .values(ends_on=on, told_at=None)
    )


def _adverse(row: AdverseRecord) -> Adverse:
    return Adverse(
        citizen_id=row.citizen_id, record_type=row.record_type, record_number=row.record_number,
        event_on=row.event_on, ends_on=row.ends_on, repaired_on=row.repaired_on,
        told_at=row.told_at, known_from_at=row.created_at,
    )

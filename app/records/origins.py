"""Where the version of a record came from: whose delivery, which row, taken in when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import select, text, tuple_

from app.kernel.crypto import unseal_with
from app.kernel.database import reading
from app.kernel.keys import Key, KeyProvider
from app.members.queries import find_data_key
from app.records.keeping import details_context
from app.records.models import Delivery, Record

REASON_COLUMN = "事由"  # where a source states why


class VersionKey(NamedTuple):
    """A version of one citizen's record."""

    record_type: str
    record_number: str
    version: int


@dataclass(frozen=True)
class RecordOrigin:
    """The delivery and row that brought a version; `source_unit` is who sent it."""

    delivery_id: UUID
    row_number: int
    delivered_on: date
    received_at: datetime
    source_unit: str | None


@dataclass(frozen=True)
class KeptVersion:
    """The version of a record that a row brought; in force until `replaced_on`."""

    citizen_id: UUID
    record_type: str
    record_number: str
    version: int
    is_void: bool
    event_on: date | None
    ends_on: date | None
    item: str | None
    delivered_on: date
    replaced_on: date | None
    received_at: datetime


@dataclass(frozen=True)
class LatestVersion:
    """The newest version of a record, and the source that delivered it, if one did."""

    kept: KeptVersion
    source_id: UUID | None


_ORIGINS = text("""
    SELECT r.record_type, r.record_number, r.version, r.delivery_id, r.row_number, r.delivered_on,
           r.created_at, s.unit
    FROM unnest(CAST(:types AS text[]), CAST(:numbers AS text[]), CAST(:versions AS bigint[]))
        AS k (record_type, record_number, version)
    JOIN records r ON r.citizen_id = :citizen AND r.record_type = k.record_type
        AND r.record_number = k.record_number AND r.version = k.version
    LEFT JOIN deliveries d ON d.delivery_id = r.delivery_id
    LEFT JOIN sources s ON s.source_id = d.source_id
""")


def find_origins(
    *, citizen_id: UUID, versions: Collection[VersionKey]
) -> dict[VersionKey, RecordOrigin]:
    """Where versions of a citizen's records came from."""
    if not versions:
        return {}
    parameters = {
        "citizen": citizen_id,
        "types": [one.record_type for one in versions],
        "numbers": [one.record_number for one in versions],
        "versions": [one.version for one in versions],
    }
    with reading() as session:
        rows = session.execute(_ORIGINS, parameters).all()
    return {VersionKey(*row[:3]): RecordOrigin(*row[3:]) for row in rows}


def find_stated_reasons(
    *, keys: KeyProvider, citizen_id: UUID, versions: Collection[VersionKey]
) -> dict[VersionKey, str]:
    """Why the sources delivered versions of a citizen's records, in their words, for the citizen.

    Only of record types whose sources state it, in a column 事由.
    """
    if not versions:
        return {}
    data_key = find_data_key(keys=keys, citizen_id=citizen_id)
    query = select(Record).where(
        Record.citizen_id == citizen_id,
        tuple_(Record.record_type, Record.record_number, Record.version).in_(versions),
        Record.details_sealed.is_not(None),
    )
    if data_key is None:
        return {}
    with reading() as session:
        return {
            VersionKey(row.record_type, row.record_number, row.version): _reason(data_key, row)
            for row in session.scalars(query)
        }


def _reason(data_key: Key, row: Record) -> str:
    assert row.details_sealed is not None  # asked for
    context = details_context(
        citizen_id=row.citizen_id, record_type=row.record_type,
        record_number=row.record_number, version=row.version,
    )
    details = orjson.loads(unseal_with(data_key, row.details_sealed, context=context))
    return str(details.get(REASON_COLUMN, ""))


def find_kept_version(*, delivery_id: UUID, row_number: int) -> KeptVersion | None:
    """What is kept of a delivery's row; nothing of blank, refused, repeated and strangers' rows."""
    query = select(Record).where(
        Record.delivery_id == delivery_id, Record.row_number == row_number
    )
    with reading() as session:
        row = session.scalars(query).one_or_none()
    return None if row is None else _kept(row)


def find_latest_version(
    *, citizen_id: UUID, record_type: str, record_number: str
) -> LatestVersion | None:
    """The newest version of a citizen's record; None when nothing is held under the number."""
    query = (
        select(Record, Delivery.source_id)
        .outerjoin(Delivery, Delivery.delivery_id == Record.delivery_id)
        .where(
            Record.citizen_id == citizen_id, Record.record_type == record_type,
            Record.record_number == record_number,
        )
        .order_by(Record.version.desc())
        .limit(1)
    )
    with reading() as session:
        row = session.execute(query).one_or_none()
    return None if row is None else LatestVersion(_kept(row[0]), row[1])


def _kept(row: Record) -> KeptVersion:
    return KeptVersion(
        citizen_id=row.citizen_id,
        record_type=row.record_type,
        record_number=row.record_number,
        version=row.version,
        is_void=row.is_void,
        event_on=row.event_on,
        ends_on=row.ends_on,
        item=row.item,
        delivered_on=row.delivered_on,
        replaced_on=row.replaced_on,
        received_at=row.created_at,
    )

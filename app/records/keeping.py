"""Keeping the versions of records: in bulk, the personal part sealed under the citizen's key."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel.crypto import keyed_digest, seal
from app.kernel.database import copy_rows
from app.kernel.keys import Key, KeyProvider, KeyPurpose
from app.records.judging import HeldRecord
from app.records.models import Record, RecordHolder


class KeptRow(NamedTuple):
    """A row that was accepted, corrected or voided, without anything that only people read."""

    citizen_id: UUID
    record_type: str
    record_number: str
    version: int
    is_void: bool
    event_on: date | None
    ends_on: date | None
    item: str | None
    measures: Mapping[str, str]
    delivery_id: UUID
    row_number: int
    delivered_on: date
    is_new_record: bool  # no version of it was held before


class NewVersion(NamedTuple):
    """A version to keep: the row, its content's digest, and what is to be sealed."""

    row: KeptRow
    digest: bytes
    details: Mapping[str, str]
    in_force_until: date | None = None  # of an adverse record: the day on which its term is over


_HELD = text("""
    SELECT h.record_number, h.citizen_id, r.version, r.content_digest
    FROM record_holders h
    LEFT JOIN records r ON r.citizen_id = h.citizen_id AND r.record_type = h.record_type
        AND r.record_number = h.record_number
    WHERE h.record_number = ANY(CAST(:numbers AS text[])) AND h.record_type = :record_type
""")
_REPLACE = text("""
    UPDATE records r SET replaced_on = least(r.replaced_on, n.delivered_on)
    FROM unnest(CAST(:citizens AS uuid[]), CAST(:numbers AS text[]), CAST(:versions AS bigint[]),
                CAST(:days AS date[])) AS n (citizen_id, record_number, version, delivered_on)
    WHERE r.citizen_id = n.citizen_id AND r.record_type = :record_type
        AND r.record_number = n.record_number AND r.version < n.version
""")


def content_digest(key: Key, content: bytes) -> bytes:
    """A keyed hash of a row's content, led by the id of the key."""
    return bytes((key.id,)) + keyed_digest(key, content)


def has_content(keys: KeyProvider, digest: bytes, content: bytes) -> bool:
    """Whether a digest, under whichever key it was made, is that of this content."""
    expected = content_digest(keys.by_id(KeyPurpose.CONTENT, digest[0]), content)
    return hmac.compare_digest(digest, expected)


def find_held(
    session: Session, *, record_type: str, numbers: Iterable[str]
) -> dict[str, HeldRecord]:
    """The records of a type that are held under these numbers."""
    found: dict[str, HeldRecord] = {}
    rows = session.execute(_HELD, {"numbers": list(numbers), "record_type": record_type})
    for number, citizen_id, version, digest in rows:
        held = found.setdefault(number, HeldRecord(citizen_id))
        if version is not None:  # of an expired record nothing is held but its number
            held.digests[version] = bytes(digest)
    return found


def keep_versions(
    session: Session, *, versions: Sequence[NewVersion], data_keys: Mapping[UUID, Key]
) -> None:
    """Insert versions of one record type; those before them are replaced from the delivery date."""
    if not versions:
        return
    copy_rows(
        session,
        Record,
        [_record(version, data_keys[version.row.citizen_id]) for version in versions],
    )
    holders = [
        {
            "record_number": version.row.record_number,
            "record_type": version.row.record_type,
            "citizen_id": version.row.citizen_id,
        }
        for version in versions
        if version.row.is_new_record
    ]
    copy_rows(session, RecordHolder, holders)
    later = [version.row for version in versions if not version.row.is_new_record]
    if later:
        _replace(session, later)


def _replace(session: Session, rows: Sequence[KeptRow]) -> None:
    session.execute(
        _REPLACE,
        {
            "citizens": [row.citizen_id for row in rows],
            "numbers": [row.record_number for row in rows],
            "versions": [row.version for row in rows],
            "days": [row.delivered_on for row in rows],
            "record_type": rows[0].record_type,
        },
    )


def _record(version: NewVersion, data_key: Key) -> dict[str, object]:
    row = version.row
    return {
        "citizen_id": row.citizen_id,
        "record_type": row.record_type,
        "record_number": row.record_number,
        "version": row.version,
        "is_void": row.is_void,
        "event_on": row.event_on,
        "ends_on": row.ends_on,
        "item": row.item,
        "measures": dict(row.measures),
        "details_sealed": _sealed(version, data_key),
        "content_digest": version.digest,
        "delivery_id": row.delivery_id,
        "row_number": row.row_number,
        "delivered_on": row.delivered_on,
        "replaced_on": version.in_force_until,
    }


def _sealed(version: NewVersion, data_key: Key) -> bytes | None:
    if not version.details:
        return None
    plain = orjson.dumps(version.details)
    row = version.row
    context = details_context(
        citizen_id=row.citizen_id, record_type=row.record_type,
        record_number=row.record_number, version=row.version,
    )
    return seal(data_key, plain, context=context)


def details_context(
    *, citizen_id: UUID, record_type: str, record_number: str, version: int
) -> bytes:
    """The place that the sealed details of a version are bound to."""
    return f"records.details_sealed:{citizen_id}:{record_type}:{version}:{record_number}".encode()

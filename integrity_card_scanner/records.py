"""A scan as it is remembered and uploaded: numbered by its device, chained to the one before.

The digest of a record is its id: the same id is the same scan.  An upload is signed by its device,
so that anything may carry it; it names the device's last number, so that a lost end shows too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import cbor2

from integrity_card_scanner.envelope import (
    FindKey,
    Kind,
    SigningKey,
    open_envelope,
    sign_envelope,
)
from integrity_card_scanner.shapes import a_list, a_number, a_text, an_id, read_shape, some_bytes

SCANS_MAX: Final = 500  # in one upload
RECORD_MAX_BYTES: Final = 700
SEQUENCE_MAX: Final = (1 << 40) - 1
_DIGEST_BYTES: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class ScanRecord:
    """One accepted scan; `scanned_at` is corrected by the platform's clock, to the millisecond."""

    sequence: int
    previous: bytes
    scanned_at: datetime
    code: str

    def dump(self) -> bytes:
        """The record as it is kept and uploaded."""
        milliseconds = (self.scanned_at - _EPOCH) // _MILLISECOND
        return cbor2.dumps([self.sequence, self.previous, milliseconds, self.code])

    @property
    def scan_id(self) -> bytes:
        """The record's digest."""
        return sha256(self.dump()).digest()

    @classmethod
    def load(cls, dumped: bytes) -> ScanRecord:
        """The record of these bytes; BadEnvelopeError for another shape."""
        return read_shape(dumped, "not_a_record", lambda read: cls._said(read, dumped))

    @classmethod
    def _said(cls, read: Any, dumped: bytes) -> ScanRecord:
        sequence, previous, milliseconds, code = a_list(read)
        scanned_at = _EPOCH + a_number(milliseconds) * _MILLISECOND
        record = cls(
            a_number(sequence, SEQUENCE_MAX), some_bytes(previous, _DIGEST_BYTES), scanned_at,
            a_text(code),
        )
        if not record.sequence or len(dumped) > RECORD_MAX_BYTES or record.dump() != dumped:
            raise ValueError
        return record


@dataclass(frozen=True)
class Upload:
    """Some scans of a device, in any order, and the number of the last one it ever made."""

    device_id: UUID
    last_sequence: int
    records: tuple[ScanRecord, ...]


def first_previous(device_id: UUID) -> bytes:
    """What the first record of a device is chained to."""
    return sha256(b"device:" + device_id.bytes).digest()


def sign_upload(
    key: SigningKey, *, device_id: UUID, last_sequence: int, records: Sequence[ScanRecord]
) -> bytes:
    """The upload, signed by the device."""
    dumped = [record.dump() for record in records]
    payload = cbor2.dumps([device_id.bytes, last_sequence, dumped])
    return sign_envelope(key, Kind.UPLOAD, payload)


def open_upload(envelope: bytes, find_key: FindKey) -> Upload:
    """The upload of a known device; BadEnvelopeError otherwise."""
    payload = open_envelope(envelope, Kind.UPLOAD, find_key).payload
    device_id, last_sequence, dumped = read_shape(payload, "not_an_upload", _said)
    return Upload(device_id, last_sequence, tuple(ScanRecord.load(one) for one in dumped))


def _said(read: Any) -> tuple[UUID, int, list[bytes]]:
    device, last_sequence, dumped = a_list(read)
    if len(a_list(dumped)) > SCANS_MAX:
        raise ValueError
    return an_id(device), a_number(last_sequence, SEQUENCE_MAX), [some_bytes(one) for one in dumped]

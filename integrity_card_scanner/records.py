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
    BadEnvelopeError,
    FindKey,
    Kind,
    SigningKey,
    open_envelope,
    sign_envelope,
)

SCANS_MAX: Final = 500  # in one upload
RECORD_MAX_BYTES: Final = 700
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
        try:
            sequence, previous, milliseconds, code = cbor2.loads(dumped)
            record = cls(
                int(sequence), bytes(previous), _EPOCH + int(milliseconds) * _MILLISECOND, code
            )
        except (cbor2.CBORError, TypeError, ValueError, OverflowError) as error:
            raise BadEnvelopeError("not_a_record") from error
        if not record.fits() or record.dump() != dumped:
            raise BadEnvelopeError("not_a_record")
        return record

    def fits(self) -> bool:
        """Whether its parts are in range."""
        return (
            0 < self.sequence < 1 << 40
            and len(self.previous) == _DIGEST_BYTES
            and isinstance(self.code, str)
            and len(self.dump()) <= RECORD_MAX_BYTES
        )


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
    try:
        device, last_sequence, dumped = cbor2.loads(payload)
        device_id, count = UUID(bytes=device), len(dumped)
        in_range = count <= SCANS_MAX and 0 <= int(last_sequence) < 1 << 40
    except (cbor2.CBORError, TypeError, ValueError) as error:
        raise BadEnvelopeError("not_an_upload") from error
    if not in_range:
        raise BadEnvelopeError("not_an_upload")
    return Upload(device_id, int(last_sequence), tuple(_records(dumped)))


def _records(dumped: list[Any]) -> list[ScanRecord]:
    if not all(isinstance(one, bytes) for one in dumped):
        raise BadEnvelopeError("not_a_record")
    return [ScanRecord.load(one) for one in dumped]

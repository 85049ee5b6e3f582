"""Texts that stand for a person at one desk, and for one waiver: sealed, they tell nothing.

Of a library's own account of a reader a keyed hash is kept, by library.  Many libraries number
their readers by the resident identity number, so that whatever they send must not be readable here;
and who asks with the same number again is found all the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.kernel.crypto import SealBrokenError, keyed_digest, seal, unseal
from app.kernel.keys import KeyProvider, KeyPurpose
from app.library.refusals import LibraryWaiverUnknown
from app.redemptions.codes import CodeUnreadable

REFERENCE_LIFE: Final = timedelta(seconds=120)
TEXT_MAX_CHARS: Final = 256
READER_MAX_CHARS: Final = 32
_REFERENCE: Final = "IC1L:"
_RECEIPT: Final = "IC1W:"
_ID_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class _NotOursError(ValueError):
    """The text was cut, changed or invented, or its key is gone."""


@dataclass(frozen=True)
class DeskReference:
    """Whom a desk asked about: good for that clerk in that shop until it expires, once."""

    citizen_id: UUID
    clerk_id: UUID
    shop_id: UUID
    expires_at: datetime
    digest: bytes


def make_reference(
    keys: KeyProvider, *, citizen_id: UUID, clerk_id: UUID, shop_id: UUID, expires_at: datetime
) -> str:
    """The reference that a desk gets with what it learns."""
    ids = citizen_id.bytes + clerk_id.bytes + shop_id.bytes
    return _close(keys, _REFERENCE, ids + struct.pack(">q", (expires_at - _EPOCH) // _MICROSECOND))


def read_reference(keys: KeyProvider, text: str) -> DeskReference:
    """A desk's reference; CodeUnreadable when it is none."""
    try:
        body, sealed = _open(keys, _REFERENCE, text)
    except _NotOursError:
        raise CodeUnreadable from None
    (microseconds,) = struct.unpack(">q", body[-8:])
    citizen_id, clerk_id, shop_id = _ids(body[:-8])
    digest = hashlib.sha256(sealed).digest()[:16]
    expires_at = _EPOCH + timedelta(microseconds=microseconds)
    return DeskReference(citizen_id, clerk_id, shop_id, expires_at, digest)


def make_receipt(keys: KeyProvider, *, citizen_id: UUID, waiver_id: UUID) -> str:
    """The text of a waiver; every call gives another one for the same waiver."""
    return _close(keys, _RECEIPT, citizen_id.bytes + waiver_id.bytes)


def read_receipt(keys: KeyProvider, text: str) -> tuple[UUID, UUID]:
    """The citizen and the waiver behind a receipt.  LibraryWaiverUnknown."""
    try:
        body, _ = _open(keys, _RECEIPT, text)
    except _NotOursError:
        raise LibraryWaiverUnknown from None
    citizen_id, waiver_id = _ids(body)
    return citizen_id, waiver_id


def reader_hashes(keys: KeyProvider, *, merchant_id: UUID, reader_reference: str) -> list[bytes]:
    """Under which hashes a library's reader may be kept, the active key's first."""
    message = b"reader:" + merchant_id.bytes + reader_reference.encode()
    return [keyed_digest(key, message) for key in keys.all(KeyPurpose.INDEX_READER)]


def _close(keys: KeyProvider, prefix: str, body: bytes) -> str:
    sealed = seal(keys.active(KeyPurpose.CODE), body, context=prefix.encode())
    return prefix + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _open(keys: KeyProvider, prefix: str, text: str) -> tuple[bytes, bytes]:
    if not text.startswith(prefix) or len(text) > TEXT_MAX_CHARS:
        raise _NotOursError
    body = text.removeprefix(prefix)
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
        return unseal(keys, KeyPurpose.CODE, sealed, context=prefix.encode()), sealed
    except (SealBrokenError, binascii.Error, ValueError):
        raise _NotOursError from None


def _ids(body: bytes) -> list[UUID]:
    return [UUID(bytes=body[at : at + _ID_BYTES]) for at in range(0, len(body), _ID_BYTES)]

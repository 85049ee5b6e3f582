"""The codes people show and type: sealed, bound to their kind, silent about their person.

A code is `IC1` + a letter for its kind + `:` + base45 of a sealed value (AEAD), so that a merchant
learns nothing from it and cannot link two codes of one person, while a scan goes straight to one
citizen's rows.  Nothing is stored when a code is made; what is stored is its presentation.

A manual code is typed where a camera is broken: 12 characters without look-alikes (55 bits), always
the same for one voucher, stored as a keyed hash.
"""

from __future__ import annotations

import hashlib
import struct
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

import base45

from app.kernel.crypto import SealBrokenError, keyed_digest, seal, unseal
from app.kernel.errors import Unreadable
from app.kernel.keys import KeyProvider, KeyPurpose

CODE_MAX_CHARS: Final = 512  # longer texts are refused before anything looks at them
PASS_CODE_LIFE: Final = timedelta(seconds=60)
REFERENCE_LIFE: Final = timedelta(seconds=120)
MANUAL_ALPHABET: Final = "ACDEFGHJKLMNPQRTUWXY3479"
MANUAL_LENGTH: Final = 12
_PREFIX_CHARS: Final = 5
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285
_PAIRS: Final = [low + high for high in _DIGITS for low in _DIGITS]


class CodeUnreadable(Unreadable):
    """The text is no code of ours: cut, changed, invented, of another kind or an old key."""

    code: ClassVar[str] = "code_unreadable"
    title: ClassVar[str] = "The code cannot be read"
    advice: ClassVar[str] = "无法识别此码，请让持卡人刷新后重新扫描。"


@dataclass(frozen=True)
class PassCode:
    """Says who stands here, for 60 seconds, once."""

    citizen_id: UUID
    session_id: UUID
    issued_at: datetime
    digest: bytes

    @property
    def expires_at(self) -> datetime:
        """When it stops being good; the database's clock decides."""
        return self.issued_at + PASS_CODE_LIFE


@dataclass(frozen=True)
class VoucherCode:
    """Stands for one claimed voucher until that expires."""

    citizen_id: UUID
    voucher_id: UUID


@dataclass(frozen=True)
class Reference:
    """What a preview gives to one clerk in one shop, to redeem with, once."""

    citizen_id: UUID
    session_id: UUID
    clerk_id: UUID
    shop_id: UUID
    expires_at: datetime
    digest: bytes


@dataclass(frozen=True)
class Receipt:
    """Names one redemption without naming a person; annulments take it."""

    citizen_id: UUID
    clerk_id: UUID
    redemption_id: UUID


def make_pass_code(
    keys: KeyProvider, *, citizen_id: UUID, session_id: UUID, issued_at: datetime
) -> str:
    """A fresh pass code; `issued_at` is the database's time."""
    return _close(keys, "P", citizen_id.bytes + session_id.bytes + _pack_time(issued_at))


def make_voucher_code(keys: KeyProvider, *, citizen_id: UUID, voucher_id: UUID) -> str:
    """A code for one voucher; every call gives another text for the same voucher."""
    return _close(keys, "V", citizen_id.bytes + voucher_id.bytes)


def make_reference(
    keys: KeyProvider,
    *,
    citizen_id: UUID,
    session_id: UUID,
    clerk_id: UUID,
    shop_id: UUID,
    previewed_at: datetime,
) -> str:
    """The reference of a preview, for this clerk in this shop, for REFERENCE_LIFE."""
    ids = citizen_id.bytes + session_id.bytes + clerk_id.bytes + shop_id.bytes
    return _close(keys, "R", ids + _pack_time(previewed_at + REFERENCE_LIFE))


def make_receipt(
    keys: KeyProvider, *, citizen_id: UUID, clerk_id: UUID, redemption_id: UUID
) -> str:
    """The receipt of a redemption."""
    return _close(keys, "T", citizen_id.bytes + clerk_id.bytes + redemption_id.bytes)


def read_scan(keys: KeyProvider, text: str) -> PassCode | VoucherCode:
    """What a scanned text stands for; CodeUnreadable when it is neither code."""
    kind = _kind(text)
    if kind == "P":
        body, digest = _open(keys, text, 40)
        citizen_id, session_id = _ids(body[:32])
        return PassCode(citizen_id, session_id, _unpack_time(body[32:]), digest)
    if kind == "V":
        body, _ = _open(keys, text, 32)
        citizen_id, voucher_id = _ids(body)
        return VoucherCode(citizen_id, voucher_id)
    raise CodeUnreadable


def read_reference(keys: KeyProvider, text: str) -> Reference:
    """A reference; CodeUnreadable when it is none."""
    if _kind(text) != "R":
        raise CodeUnreadable
    body, digest = _open(keys, text, 72)
    citizen_id, session_id, clerk_id, shop_id = _ids(body[:64])
    return Reference(citizen_id, session_id, clerk_id, shop_id, _unpack_time(body[64:]), digest)


def read_receipt(keys: KeyProvider, text: str) -> Receipt:
    """A receipt; CodeUnreadable when it is none."""
    if _kind(text) != "T":
        raise CodeUnreadable
    body, _ = _open(keys, text, 48)
    citizen_id, clerk_id, redemption_id = _ids(body)
    return Receipt(citizen_id, clerk_id, redemption_id)


def manual_code(keys: KeyProvider, *, citizen_id: UUID, voucher_id: UUID) -> str:
    """The 12 characters to type for this voucher; for as long as the active key stays the same."""
    digest = keyed_digest(
        keys.active(KeyPurpose.CODE), b"manual code:" + citizen_id.bytes + voucher_id.bytes
    )
    number = int.from_bytes(digest)
    characters = []
    for _ in range(MANUAL_LENGTH):
        number, place = divmod(number, len(MANUAL_ALPHABET))
        characters.append(MANUAL_ALPHABET[place])
    return "".join(characters)


def spell_manual_code(code: str) -> str:
    """The code in groups of four, as it is shown."""
    return "-".join(code[start : start + 4] for start in range(0, MANUAL_LENGTH, 4))


def parse_manual_code(text: str) -> str:
    """A typed code without blanks, dashes and small letters; CodeUnreadable when it is none."""
    if len(text) > CODE_MAX_CHARS:
        raise CodeUnreadable
    typed = unicodedata.normalize("NFKC", text).upper()
    code = "".join(character for character in typed if character not in " -\t")
    if len(code) != MANUAL_LENGTH or not set(code) <= set(MANUAL_ALPHABET):
        raise CodeUnreadable
    return code


def manual_code_hashes(keys: KeyProvider, code: str) -> list[bytes]:
    """Under which hashes a manual code may be stored, the active key's first."""
    message = b"manual code hash:" + code.encode()
    return [keyed_digest(key, message) for key in keys.all(KeyPurpose.CODE)]


def scan_digest(keys: KeyProvider, text: str) -> bytes:
    """A keyed hash of a text that stands for nobody, to keep instead of the text."""
    message = b"unreadable scan:" + text[:CODE_MAX_CHARS].encode(errors="surrogatepass")
    return keyed_digest(keys.active(KeyPurpose.CODE), message)


def _close(keys: KeyProvider, kind: str, body: bytes) -> str:
    key = keys.active(KeyPurpose.CODE)
    while True:
        sealed = seal(key, body, context=_context(kind))
        text = f"IC1{kind}:{_base45(sealed)}"
        if not text.endswith(" "):  # some scanners cut a blank at the end
            return text


def _base45(sealed: bytes) -> str:
    """Base45 of an even number of bytes; the library's loop takes four times as long."""
    words = struct.unpack(f">{len(sealed) // 2}H", sealed)
    return "".join([_PAIRS[word % len(_PAIRS)] + _DIGITS[word // len(_PAIRS)] for word in words])


def _kind(text: str) -> str:
    if len(text) > CODE_MAX_CHARS or not text.startswith("IC1") or text[4:_PREFIX_CHARS] != ":":
        raise CodeUnreadable
    return text[3]


def _open(keys: KeyProvider, text: str, length: int) -> tuple[bytes, bytes]:
    try:
        sealed = base45.b45decode(text[_PREFIX_CHARS:])
        body = unseal(keys, KeyPurpose.CODE, sealed, context=_context(text[3]))
    except (ValueError, SealBrokenError) as error:
        raise CodeUnreadable from error
    if len(body) != length:
        raise CodeUnreadable
    return body, hashlib.sha256(sealed).digest()[:16]


def _context(kind: str) -> bytes:
    return b"code:" + kind.encode()


def _ids(body: bytes) -> list[UUID]:
    return [UUID(bytes=body[start : start + 16]) for start in range(0, len(body), 16)]


def _pack_time(moment: datetime) -> bytes:
    return struct.pack(">q", (moment - _EPOCH) // _MICROSECOND)


def _unpack_time(packed: bytes) -> datetime:
    (microseconds,) = struct.unpack(">q", packed)
    return _EPOCH + timedelta(microseconds=microseconds)

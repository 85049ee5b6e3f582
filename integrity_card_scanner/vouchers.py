"""Offline codes: a voucher that anybody with the key list can check.

`ICO1:` and the base45 of a signed envelope: QR-alphanumeric, version 10 or smaller at level M.
The payload is a CBOR map with small numbers for names: reference, slot in the deny list, the
person's tags by day, benefit, value, not before, life in seconds, scope, caps.  It names nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import base45
import cbor2

from integrity_card_scanner.envelope import (
    BadEnvelopeError,
    FindKey,
    Kind,
    SigningKey,
    open_envelope,
    sign_envelope,
)
from integrity_card_scanner.shapes import (
    a_list,
    a_map,
    a_moment,
    a_number,
    a_text,
    an_id,
    read_shape,
    some_bytes,
)

PREFIX: Final = "ICO1:"
CODE_MAX_CHARS: Final = 512  # longer texts are refused before anything looks at them
CODE_FULL_CHARS: Final = 311  # what a QR of version 10 holds at level M
LIFE_MAX: Final = timedelta(hours=24)
MERCHANT_TAG_BYTES: Final = 4
SCOPE_MAX: Final = 3
# Words of values that travel as their place here; others travel as text.  Only ever append.
WORDS: Final = ("books", "deposit_waived", "tickets", "free_minutes", "price_percent")
PERSON_TAG_BYTES: Final = 8  # for each of the days that a code can be used on
CITY: Final = timezone(timedelta(hours=8))  # days are the city's; it has no summer time
_LIFE_MAX_SECONDS: Final = int(LIFE_MAX.total_seconds())


class CodeTooLargeError(ValueError):
    """The code would not fit the largest picture."""


@dataclass(frozen=True)
class OfflineVoucher:
    """What an offline code says.

    `scope` are tags of the merchants that take it, empty: every merchant that takes the benefit.
    `person_tag` is a tag for the day on which the code begins and, where its life goes beyond that
    day, one for the next.  `uses_per_day` is how often one person may use the benefit on one device
    and day; `worth_fen` what one use costs at most when it turns out to be wrong.
    """

    reference: UUID
    slot: int
    person_tag: bytes
    benefit_code: str
    value: Mapping[str, Any]
    not_before_at: datetime
    expires_at: datetime
    scope: tuple[bytes, ...]
    uses_per_day: int
    worth_fen: int

    def tag_on(self, moment: datetime) -> bytes:
        """The person's tag of the day of this moment: codes of one day share it."""
        days = (city_day(moment) - city_day(self.not_before_at)).days
        later = self.person_tag[PERSON_TAG_BYTES:]
        return later if days > 0 and later else self.person_tag[:PERSON_TAG_BYTES]

    def payload(self) -> bytes:
        """What is signed."""
        life = self.expires_at - self.not_before_at
        return cbor2.dumps({
            1: self.reference.bytes, 2: self.slot, 3: self.person_tag, 4: self.benefit_code,
            5: _shorten(self.value), 6: int(self.not_before_at.timestamp()),
            7: int(life.total_seconds()), 8: list(self.scope),
            9: [self.uses_per_day, self.worth_fen],
        })

    @classmethod
    def from_payload(cls, payload: bytes) -> OfflineVoucher:
        """The voucher of a payload whose signature was good; BadEnvelopeError for another shape."""
        return read_shape(payload, "not_a_voucher", cls._said)

    @classmethod
    def _said(cls, read: Any) -> OfflineVoucher:
        said = a_map(read)
        not_before_at = a_moment(said[6])
        life = timedelta(seconds=a_number(said[7], _LIFE_MAX_SECONDS))
        uses_per_day, worth_fen = a_list(said[9])
        if not life:
            raise ValueError
        return cls(
            an_id(said[1]), a_number(said[2]), some_bytes(said[3]), a_text(said[4]),
            _spell(a_map(said[5])), not_before_at, not_before_at + life,
            tuple(some_bytes(tag) for tag in a_list(said[8])),
            a_number(uses_per_day), a_number(worth_fen),
        )  # fmt: skip


@dataclass(frozen=True)
class ReadCode:
    """A good code: what it says, by which key, and the digest it is filed under."""

    voucher: OfflineVoucher
    kid: bytes
    digest: bytes


def make_code(key: SigningKey, payload: bytes) -> str:
    """The text of an offline code; CodeTooLargeError when no picture of ours can hold it."""
    text: str = PREFIX + base45.b45encode(sign_envelope(key, Kind.VOUCHER, payload)).decode()
    if len(text) > CODE_FULL_CHARS:
        raise CodeTooLargeError
    return text


def read_code(text: str, find_key: FindKey) -> ReadCode:
    """Read a scanned text; BadEnvelopeError says why it is no good code."""
    if len(text) > CODE_MAX_CHARS or not text.startswith(PREFIX) or not text.isascii():
        raise BadEnvelopeError("not_a_code")
    try:
        envelope = base45.b45decode(text[len(PREFIX) :])
    except ValueError as error:
        raise BadEnvelopeError("not_a_code") from error
    if base45.b45encode(envelope).decode() != text[len(PREFIX) :]:
        raise BadEnvelopeError("not_a_code")  # one envelope has one text
    opened = open_envelope(envelope, Kind.VOUCHER, find_key)
    voucher = OfflineVoucher.from_payload(opened.payload)
    return ReadCode(voucher, opened.kid, issue_digest(opened.kid, opened.payload))


def issue_digest(kid: bytes, payload: bytes) -> bytes:
    """What the issuing ledger files a code under: who signed what."""
    return sha256(kid + payload).digest()


def city_day(moment: datetime) -> date:
    """The day in the city."""
    return moment.astimezone(CITY).date()


def merchant_tag(merchant_id: UUID) -> bytes:
    """How a scope names a merchant."""
    return sha256(b"merchant:" + merchant_id.bytes).digest()[:MERCHANT_TAG_BYTES]


def _shorten(value: Mapping[str, Any]) -> dict[int | str, Any]:
    return {WORDS.index(word) if word in WORDS else word: said for word, said in value.items()}


def _spell(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        WORDS[a_number(word)] if isinstance(word, int) else a_text(word): said
        for word, said in value.items()
    }

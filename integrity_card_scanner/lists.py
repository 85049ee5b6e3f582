"""What a scanner must hold: the key list, the deny list, its own grant.

The key list is signed by the offline root and changes rarely.  The deny list is signed by a key of
that list every few minutes: it proves freshness, switches keys off at once, and denies vouchers by
slot, one bit each, deflated (as in the IETF's Token Status List).
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import cbor2

from integrity_card_scanner.envelope import (
    FindKey,
    Kind,
    PublicKey,
    open_envelope,
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

AGE_MAX: Final = timedelta(hours=72)  # of a deny list; an older one ends offline mode
SLOTS_MAX: Final = 1 << 24  # 2 MB when inflated
_SUITE_MAX: Final = 255
_NO_LIST: Final = "not_a_list"


class Use(StrEnum):
    """What a key of the list signs."""

    VOUCHER = "voucher"
    LIST = "list"


@dataclass(frozen=True)
class KeyList:
    """The keys that the root vouches for, by use; the numbers of versions only grow."""

    version: int
    issued_at: datetime
    expires_at: datetime
    keys: tuple[tuple[Use, PublicKey], ...]

    def find(self, use: Use) -> FindKey:
        """Looks keys of one use up by their name."""
        known = {key.kid: key for for_use, key in self.keys if for_use is use}
        return known.get

    def payload(self) -> bytes:
        """What the root signs."""
        keys = [[use.value, key.suite, key.public] for use, key in self.keys]
        return cbor2.dumps(
            {1: self.version, 2: _seconds(self.issued_at), 3: _seconds(self.expires_at), 4: keys}
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> KeyList:
        """The list of a payload; BadEnvelopeError for another shape."""
        return read_shape(payload, _NO_LIST, cls._said)

    @classmethod
    def _said(cls, read: Any) -> KeyList:
        said = a_map(read)
        return cls(
            a_number(said[1]), a_moment(said[2]), a_moment(said[3]),
            tuple(
                (Use(a_text(use)), PublicKey(a_number(suite, _SUITE_MAX), some_bytes(public)))
                for use, suite, public in map(a_list, a_list(said[4]))
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class DenyList:
    """Which keys and which slots are denied, as of `issued_at` by the platform's clock."""

    issued_at: datetime
    key_list_version: int
    retired_kids: frozenset[bytes]
    first_slot: int
    bits: bytes

    @classmethod
    def of_slots(
        cls,
        *,
        issued_at: datetime,
        key_list_version: int,
        retired_kids: Collection[bytes],
        first_slot: int,
        denied: Collection[int],
    ) -> DenyList:
        """The list that denies these slots."""
        first = first_slot // 8 * 8
        bits = bytearray((max(denied, default=first - 1) - first) // 8 + 1)
        for slot in denied:
            place = slot - first
            bits[place // 8] |= 1 << place % 8
        return cls(issued_at, key_list_version, frozenset(retired_kids), first, bytes(bits))

    def denies(self, slot: int) -> bool:
        """Whether the voucher at this slot was revoked."""
        place = slot - self.first_slot
        return 0 <= place < len(self.bits) * 8 and bool(self.bits[place // 8] >> place % 8 & 1)

    def payload(self) -> bytes:
        """What is signed."""
        return cbor2.dumps({
            1: _seconds(self.issued_at), 2: self.key_list_version, 3: sorted(self.retired_kids),
            4: self.first_slot, 5: zlib.compress(self.bits, 9),
        })

    @classmethod
    def from_payload(cls, payload: bytes) -> DenyList:
        """The list of a payload; BadEnvelopeError for another shape."""
        return read_shape(payload, _NO_LIST, cls._said)

    @classmethod
    def _said(cls, read: Any) -> DenyList:
        said = a_map(read)
        return cls(
            a_moment(said[1]), a_number(said[2]),
            frozenset(some_bytes(kid) for kid in a_list(said[3])), a_number(said[4]),
            _inflate(some_bytes(said[5])),
        )  # fmt: skip


@dataclass(frozen=True)
class Grant:
    """What one device may do until `expires_at`: which benefits, and how much unsent at once.

    `benefit_unsent_max` is how many uses of a benefit, where it has a cap of its own.
    """

    device_id: UUID
    merchant_id: UUID
    issued_at: datetime
    expires_at: datetime
    benefit_codes: frozenset[str]
    unsent_max: int
    unsent_worth_max_fen: int
    benefit_unsent_max: Mapping[str, int] = field(default_factory=dict)

    def payload(self) -> bytes:
        """What is signed."""
        return cbor2.dumps({
            1: self.device_id.bytes, 2: self.merchant_id.bytes, 3: _seconds(self.issued_at),
            4: _seconds(self.expires_at), 5: sorted(self.benefit_codes), 6: self.unsent_max,
            7: self.unsent_worth_max_fen, 8: dict(self.benefit_unsent_max),
        })

    @classmethod
    def from_payload(cls, payload: bytes) -> Grant:
        """The grant of a payload; BadEnvelopeError for another shape."""
        return read_shape(payload, _NO_LIST, cls._said)

    @classmethod
    def _said(cls, read: Any) -> Grant:
        said = a_map(read)
        return cls(
            an_id(said[1]), an_id(said[2]), a_moment(said[3]), a_moment(said[4]),
            frozenset(a_text(code) for code in a_list(said[5])), a_number(said[6]),
            a_number(said[7]),
            {a_text(code): a_number(most) for code, most in a_map(said.get(8, {})).items()},
        )  # fmt: skip


def open_key_list(envelope: bytes, *, root: PublicKey) -> KeyList:
    """The key list that the root signed; BadEnvelopeError otherwise."""
    find: FindKey = {root.kid: root}.get
    return KeyList.from_payload(open_envelope(envelope, Kind.KEY_LIST, find).payload)


def open_deny_list(envelope: bytes, *, keys: KeyList) -> DenyList:
    """The deny list that a listed key signed; BadEnvelopeError otherwise."""
    opened = open_envelope(envelope, Kind.DENY_LIST, keys.find(Use.LIST))
    return DenyList.from_payload(opened.payload)


def open_grant(envelope: bytes, *, keys: KeyList) -> Grant:
    """The grant that a listed key signed; BadEnvelopeError otherwise."""
    return Grant.from_payload(open_envelope(envelope, Kind.GRANT, keys.find(Use.LIST)).payload)


def _inflate(deflated: bytes) -> bytes:
    """What was deflated, unless it is larger than any list of ours: then it is not inflated."""
    reader = zlib.decompressobj()
    bits = reader.decompress(deflated, SLOTS_MAX // 8 + 1)
    if len(bits) > SLOTS_MAX // 8 or not reader.eof:
        raise ValueError
    return bits


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())

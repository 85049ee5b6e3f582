"""Q13: whatever a good key has signed, it is read or refused, and never ends the reader."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import cbor2
import pytest

from integrity_card_scanner.envelope import BadEnvelopeError, Kind, open_envelope, sign_envelope
from integrity_card_scanner.lists import DenyList, Grant, KeyList, Use
from integrity_card_scanner.records import ScanRecord, first_previous, open_upload, sign_upload
from integrity_card_scanner.vouchers import OfflineVoucher
from tests.integrity_card_scanner.made_up import NOW, a_key, a_voucher

KEY = a_key()
RECORD = ScanRecord(1, first_previous(uuid4()), NOW, "ICO1:00")
UPLOAD = open_envelope(
    sign_upload(KEY, device_id=uuid4(), last_sequence=1, records=[RECORD]), Kind.UPLOAD,
    {KEY.public.kid: KEY.public}.get,
).payload
KEYS = KeyList(7, NOW, NOW + timedelta(days=1), ((Use.LIST, KEY.public),))
DENY = DenyList.of_slots(
    issued_at=NOW, key_list_version=7, retired_kids=[b"abcd"], first_slot=0, denied=[3]
)
GRANT = Grant(
    uuid4(), uuid4(), NOW, NOW + timedelta(hours=1), frozenset({"library"}), 5, 500, {"library": 3}
)


def read_upload(payload: bytes) -> Any:
    envelope = sign_envelope(KEY, Kind.UPLOAD, payload)
    return open_upload(envelope, {KEY.public.kid: KEY.public}.get)


READERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "voucher": (OfflineVoucher.from_payload, a_voucher(scope=(b"abcd",)).payload()),
    "key list": (KeyList.from_payload, KEYS.payload()),
    "deny list": (DenyList.from_payload, DENY.payload()),
    "grant": (Grant.from_payload, GRANT.payload()),
    "record": (ScanRecord.load, RECORD.dump()),
    "upload": (read_upload, UPLOAD),
}
ODD: list[Any] = [
    None, True, -1, 1 << 70, 1 << 45, 0.5, math.nan, math.inf, Decimal("1E+1000000"), "",
    "sixteen letters!", "\u202e", b"", bytes(16), bytes(40), [], [[]], [1, 2], [None], [{}], {},
    {1: 2}, {-1: 2}, {"a": {}}, {99: 1}, {True: 1}, {(): 1}, NOW, {b"x": 1},
]  # fmt: skip


def misshapen(said: Any) -> Iterator[Any]:
    """What was said with each of its parts, and itself, replaced by everything odd or left out."""
    yield from ODD
    if isinstance(said, dict):
        for name in said:
            yield {other: part for other, part in said.items() if other != name}
            for part in misshapen(said[name]):
                yield {**said, name: part}
    if isinstance(said, list):
        yield [*said, 1]
        for at in range(len(said)):
            yield [*said[:at], *said[at + 1 :]]
            for part in misshapen(said[at]):
                yield [*said[:at], part, *said[at + 1 :]]


@pytest.mark.parametrize("name", READERS)
def test_q13_signed_odd_shapes_are_read_or_refused(name: str) -> None:
    """What is read can be written again: everything in it is of the type that it says."""
    read, payload = READERS[name]
    read(payload)
    refused = 0
    for odd in misshapen(cbor2.loads(payload)):
        try:
            made = read(cbor2.dumps(odd))
        except BadEnvelopeError:
            refused += 1
        else:
            if hasattr(made, "payload"):
                made.payload()
            else:
                hash(made)
    assert refused > 50


@pytest.mark.parametrize("value", [[1], "books", 7, None, b"x", {True: 1}, {-1: 1}, {b"x": 1}])
def test_q13_a_value_that_is_no_map_of_words_is_no_voucher(value: Any) -> None:
    said = {**cbor2.loads(a_voucher().payload()), 5: value}
    with pytest.raises(BadEnvelopeError, match="not_a_voucher"):
        OfflineVoucher.from_payload(cbor2.dumps(said))


@pytest.mark.parametrize(("name", "value"), [
    (1, "sixteen letters!"), (2, "7"), (2, -1), (2, True), (3, "tag"), (4, 7), (4, None),
    (4, ["a"]), (7, 0), (8, "abcd"), (8, [1]), (9, ["4", 0]), (9, [4, -1]), (9, [4]),
])  # fmt: skip
def test_q13_parts_of_another_type_are_no_voucher(name: int, value: Any) -> None:
    said = {**cbor2.loads(a_voucher().payload()), name: value}
    with pytest.raises(BadEnvelopeError, match="not_a_voucher"):
        OfflineVoucher.from_payload(cbor2.dumps(said))

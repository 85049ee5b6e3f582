"""Q7, Q8, Q13: lists are signed, small, and never inflate to more than a list of ours."""

from __future__ import annotations

import random
import zlib
from datetime import timedelta

import cbor2
import pytest

from integrity_card_scanner.envelope import BadEnvelopeError, Kind, sign_envelope
from integrity_card_scanner.lists import (
    SLOTS_MAX,
    DenyList,
    KeyList,
    Use,
    open_deny_list,
    open_key_list,
)
from integrity_card_scanner.root import main as root_command
from tests.integrity_card_scanner.made_up import NOW, a_key

ROOT, LIST, VOUCHER = a_key(), a_key(), a_key()
KEYS = KeyList(
    7, NOW, NOW + timedelta(days=1), ((Use.LIST, LIST.public), (Use.VOUCHER, VOUCHER.public))
)


def deny_list(denied: list[int], first_slot: int = 0) -> DenyList:
    return DenyList.of_slots(
        issued_at=NOW, key_list_version=7, retired_kids=[b"abcd"], first_slot=first_slot,
        denied=denied,
    )


def test_a_key_list_is_the_roots_alone() -> None:
    envelope = sign_envelope(ROOT, Kind.KEY_LIST, KEYS.payload())
    assert open_key_list(envelope, root=ROOT.public) == KEYS
    for other in (LIST, a_key()):
        with pytest.raises(BadEnvelopeError):
            open_key_list(envelope, root=other.public)


def test_a_key_is_good_for_its_use_alone() -> None:
    payload = deny_list([1]).payload()
    assert open_deny_list(sign_envelope(LIST, Kind.DENY_LIST, payload), keys=KEYS).denies(1)
    with pytest.raises(BadEnvelopeError, match="key_unknown"):
        open_deny_list(sign_envelope(VOUCHER, Kind.DENY_LIST, payload), keys=KEYS)


def test_q8_a_million_vouchers_with_one_percent_denied_fit_20_kb() -> None:
    denied = random.Random(3).sample(range(1_000_000), 10_000)
    made = deny_list([5_000_000 + slot for slot in denied], first_slot=5_000_000)
    envelope = sign_envelope(LIST, Kind.DENY_LIST, made.payload())
    assert len(envelope) <= 20_000
    read = open_deny_list(envelope, keys=KEYS)
    wanted = {5_000_000 + slot for slot in denied}
    assert {slot for slot in range(4_999_990, 6_000_010) if read.denies(slot)} == wanted


def test_slots_that_the_list_does_not_reach_are_not_denied() -> None:
    assert not deny_list([]).denies(0)
    read = DenyList.from_payload(deny_list([13], first_slot=11).payload())
    assert [slot for slot in range(-20, 40) if read.denies(slot)] == [13]


def test_q13_a_bomb_is_refused_before_it_inflates() -> None:
    bomb = zlib.compress(bytes(SLOTS_MAX // 8 * 40), 9)
    assert len(bomb) < 100_000
    payload = cbor2.dumps({1: 1_800_000_000, 2: 7, 3: [], 4: 0, 5: bomb})
    with pytest.raises(BadEnvelopeError, match="not_a_list"):
        DenyList.from_payload(payload)


@pytest.mark.parametrize("payload", [b"", cbor2.dumps([]), cbor2.dumps({1: "x"}), b"\xff\xff"])
def test_signed_nonsense_is_no_list(payload: bytes) -> None:
    for kind in (DenyList, KeyList):
        with pytest.raises(BadEnvelopeError, match="not_a_list"):
            kind.from_payload(payload)


def test_the_root_signs_on_a_machine_of_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("root")
    key, draft, envelope = (folder / name for name in ("root.key", "draft", "envelope"))
    assert root_command(["new-key", str(key)]) == 0
    assert key.stat().st_mode & 0o077 == 0
    draft.write_bytes(KEYS.payload())
    assert root_command(["sign", str(key), str(draft), str(envelope)]) == 0
    told = capsys.readouterr().out.split()
    assert told[0] == told[-1]
    with pytest.raises(FileExistsError):
        root_command(["new-key", str(key)])

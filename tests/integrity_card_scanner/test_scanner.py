"""Q6, Q7, Q12: what a device takes off line, and when it takes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrity_card_scanner.envelope import BadEnvelopeError, Kind, sign_envelope
from integrity_card_scanner.lists import DenyList, Grant, KeyList, Use
from integrity_card_scanner.records import open_upload
from integrity_card_scanner.scanner import Scanner
from integrity_card_scanner.storage import Storage, StorageBrokenError
from integrity_card_scanner.vouchers import PERSON_TAG_BYTES, make_code, merchant_tag
from tests.integrity_card_scanner.made_up import NOW, a_key, a_voucher

ROOT, LIST, VOUCHER, DEVICE = a_key(), a_key(), a_key(), a_key()
DEVICE_ID, MERCHANT_ID = uuid4(), uuid4()
HOUR = timedelta(hours=1)


class Gate:
    """A scanner, its clock, and a platform that says what the test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.platform_now = self.device_now = NOW
        self.scanner = self.started()

    def started(self, device_id: UUID = DEVICE_ID) -> Scanner:
        return Scanner(
            Storage(self.folder), device_id=device_id, key=DEVICE, root=ROOT.public,
            now=lambda: self.device_now,
        )

    def sync(self, *, retired: Iterable[bytes] = (), denied: Iterable[int] = (),
             version: int = 1, **grant: Any) -> None:  # fmt: skip
        now = self.platform_now
        keys = KeyList(version, now, now + timedelta(days=400), (
            (Use.LIST, LIST.public), (Use.VOUCHER, VOUCHER.public)))  # fmt: skip
        deny = DenyList.of_slots(
            issued_at=now, key_list_version=version, retired_kids=list(retired), first_slot=0,
            denied=list(denied),
        )
        codes = frozenset({"library"})
        usual = Grant(DEVICE_ID, MERCHANT_ID, now, now + 72 * HOUR, codes, 100, 100_000)
        granted = replace(usual, **grant)
        self.scanner.synced(
            key_list=sign_envelope(ROOT, Kind.KEY_LIST, keys.payload()),
            deny_list=sign_envelope(LIST, Kind.DENY_LIST, deny.payload()),
            grant=sign_envelope(LIST, Kind.GRANT, granted.payload()),
        )

    def pass_time(self, elapsed: timedelta) -> None:
        self.platform_now += elapsed
        self.device_now += elapsed

    def scan(self, **facts: Any) -> str | None:
        begun: datetime = self.platform_now - timedelta(minutes=1)
        said = {"not_before_at": begun, "expires_at": begun + 24 * HOUR, **facts}
        return self.scanner.scan(make_code(VOUCHER, a_voucher(**said).payload())).reason


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_nothing_is_taken_before_the_first_sync(gate: Gate) -> None:
    assert gate.scan() == "never_synced"


def test_a_code_is_taken_once_even_after_a_restart(gate: Gate) -> None:
    gate.sync()
    reference = uuid4()
    assert gate.scan(reference=reference) is None
    assert gate.scan(reference=reference) == "already_taken"
    gate.scanner = gate.started()
    assert gate.scan(reference=reference) == "already_taken"
    assert [record.sequence for record in gate.scanner.unsent()] == [1]
    gate.sync()
    assert gate.scan(reference=reference) == "already_taken"


def test_scope_benefit_time_and_denial(gate: Gate) -> None:
    gate.sync(denied=[9])
    assert gate.scan(scope=(merchant_tag(MERCHANT_ID), b"abcd")) is None
    assert gate.scan(scope=(b"abcd",)) == "wrong_merchant"
    assert gate.scan(benefit_code="transit") == "wrong_benefit"
    assert gate.scan(slot=9) == "denied"
    assert gate.scan(not_before_at=NOW + HOUR, expires_at=NOW + 2 * HOUR) == "not_yet_valid"
    assert gate.scan(not_before_at=NOW - 2 * HOUR, expires_at=NOW) == "expired"


def test_q6_caps_of_person_and_device(gate: Gate) -> None:
    gate.sync(unsent_max=5, unsent_worth_max_fen=700)
    tag = b"personal"
    assert [gate.scan(person_tag=tag, uses_per_day=2, worth_fen=0) for _ in range(3)] == [
        None, None, "person_cap",
    ]  # fmt: skip
    assert gate.scan(worth_fen=800) == "device_cap"
    assert gate.scan(worth_fen=700) is None
    assert gate.scan(worth_fen=1) == "device_cap"
    assert [gate.scan(worth_fen=0) for _ in range(3)] == [None, None, "device_cap"]
    gate.scanner.confirmed(frozenset(record.scan_id for record in gate.scanner.unsent()))
    assert gate.scan(worth_fen=700) is None


def test_q6_a_pass_is_checked_and_not_taken(gate: Gate) -> None:
    gate.sync(denied=[9], benefit_codes=frozenset({"transit"}))
    begun = {"not_before_at": NOW - HOUR, "expires_at": NOW + HOUR, "benefit_code": "transit"}

    def checked(**facts: Any) -> str | None:
        code = make_code(VOUCHER, a_voucher(**{**begun, **facts}).payload())
        return gate.scanner.check(code).reason

    reference = uuid4()
    assert [checked(reference=reference) for _ in range(3)] == [None] * 3
    assert gate.scanner.unsent() == ()
    assert checked(slot=9) == "denied"
    assert checked(benefit_code="library") == "wrong_benefit"
    assert checked(scope=(b"abcd",)) == "wrong_merchant"
    assert gate.scanner.check("ICO1:00").reason == "suite_unknown"
    gate.pass_time(2 * HOUR)
    assert checked() == "expired"
    gate.pass_time(72 * HOUR)
    assert checked() == "lists_too_old"


def test_q6_each_benefit_has_a_cap_of_its_own(gate: Gate) -> None:
    both = frozenset({"library", "cinema"})
    gate.sync(benefit_codes=both, benefit_unsent_max={"library": 2})
    assert [gate.scan() for _ in range(3)] == [None, None, "benefit_cap"]
    assert [gate.scan(benefit_code="cinema") for _ in range(3)] == [None] * 3
    gate.scanner = gate.started()
    assert gate.scan() == "benefit_cap"
    gate.scanner.confirmed(frozenset(record.scan_id for record in gate.scanner.unsent()))
    assert gate.scan() is None


def test_q6_a_persons_cap_counts_by_the_day_of_the_scan(gate: Gate) -> None:
    """NOW is 16:00 in the city: a code of this evening is good until tomorrow's."""
    gate.sync()
    today, tomorrow, later = (name * PERSON_TAG_BYTES for name in (b"a", b"b", b"c"))
    evening = {"person_tag": today + tomorrow, "uses_per_day": 2}
    assert [gate.scan(**evening) for _ in range(3)] == [None, None, "person_cap"]
    gate.pass_time(12 * HOUR)  # four in the morning: another day
    morning = {"person_tag": tomorrow + later, "uses_per_day": 2}
    codes = [{**evening, "not_before_at": NOW, "expires_at": NOW + 24 * HOUR}, morning, morning]
    assert [gate.scan(**code) for code in codes] == [None, None, "person_cap"]
    older = {"person_tag": tomorrow, "uses_per_day": 2}  # with one tag, as they were made before
    assert gate.scan(**older) == "person_cap"


def test_q7_old_lists_end_offline_mode(gate: Gate) -> None:
    gate.sync(expires_at=NOW + 1000 * HOUR)
    gate.pass_time(72 * HOUR)
    assert gate.scan() is None
    gate.pass_time(timedelta(seconds=1))
    assert gate.scan() == "lists_too_old"
    gate.sync()
    assert gate.scan() is None


def test_q7_unknown_and_retired_keys(gate: Gate) -> None:
    gate.sync()
    assert gate.scanner.scan(make_code(a_key(), a_voucher().payload())).reason == "key_unknown"
    gate.sync(retired=[VOUCHER.public.kid])
    assert gate.scan() == "key_unknown"


def test_older_lists_are_not_taken_back(gate: Gate) -> None:
    gate.sync(version=3)
    with pytest.raises(BadEnvelopeError, match="key_list_older"):
        gate.sync(version=2)
    gate.platform_now -= HOUR
    with pytest.raises(BadEnvelopeError, match="deny_list_older"):
        gate.sync(version=3)


def test_a_grant_is_the_devices_own(gate: Gate) -> None:
    with pytest.raises(BadEnvelopeError, match="grant_foreign"):
        gate.sync(device_id=uuid4())
    assert gate.scan() == "never_synced"


@pytest.mark.parametrize("minutes", [-5, -1, 0, 1, 5])
def test_q12_a_small_skew_is_corrected(gate: Gate, minutes: int) -> None:
    gate.device_now += timedelta(minutes=minutes)
    gate.sync()
    assert gate.scan() is None
    (record,) = gate.scanner.unsent()
    assert record.scanned_at == NOW


@pytest.mark.parametrize("minutes", [-60, -6, 6, 60])
def test_q12_a_wrong_clock_ends_offline_mode(gate: Gate, minutes: int) -> None:
    gate.device_now += timedelta(minutes=minutes)
    gate.sync()
    assert gate.scan() == "clock_wrong"


def test_q12_a_clock_that_goes_back_ends_offline_mode(gate: Gate) -> None:
    gate.sync()
    gate.pass_time(2 * HOUR)
    assert gate.scan() is None
    gate.device_now -= HOUR
    assert gate.scan() == "clock_wrong"
    gate.scanner = gate.started()
    gate.device_now -= 2 * HOUR
    assert gate.scan() == "clock_wrong"


def test_scans_are_chained_and_signed(gate: Gate) -> None:
    gate.sync()
    for _ in range(3):
        assert gate.scan() is None
    gate.scanner = gate.started()
    assert gate.scan() is None
    records = gate.scanner.unsent()
    assert [record.sequence for record in records] == [1, 2, 3, 4]
    assert [record.previous for record in records[1:]] == [one.scan_id for one in records[:-1]]
    upload = open_upload(gate.scanner.upload(records), {DEVICE.public.kid: DEVICE.public}.get)
    assert (upload.device_id, upload.last_sequence, upload.records) == (DEVICE_ID, 4, records)


def test_a_queue_that_was_cleared_shows_in_the_next_upload(gate: Gate) -> None:
    gate.sync()
    assert [gate.scan(), gate.scan()] == [None, None]
    (gate.folder / "unsent").unlink()
    gate.scanner = gate.started()
    assert gate.scanner.unsent() == ()
    upload = open_upload(gate.scanner.upload(()), {DEVICE.public.kid: DEVICE.public}.get)
    assert upload.last_sequence == 2
    assert gate.scan() is None
    assert [record.sequence for record in gate.scanner.unsent()] == [3]


@pytest.mark.parametrize("torn", ["unsent", "taken"])
def test_a_crash_in_the_middle_of_a_line_loses_no_other(gate: Gate, torn: str) -> None:
    gate.sync()
    before = [uuid4(), uuid4()]
    assert [gate.scan(reference=one) for one in before] == [None, None]
    with (gate.folder / torn).open("ab") as file:
        file.write(b"half a li")
    for sequence in (3, 4):  # nothing is written onto the half, at no later start either
        gate.scanner = gate.started()
        assert [gate.scan(reference=one) for one in before] == ["already_taken"] * len(before)
        before.append(uuid4())
        assert gate.scan(reference=before[-1]) is None
        assert len(gate.scanner.unsent()) == sequence
    records = gate.scanner.unsent()
    assert [record.sequence for record in records] == [1, 2, 3, 4]
    assert [record.previous for record in records[1:]] == [one.scan_id for one in records[:-1]]


def test_a_log_that_is_half_a_line_alone_begins_anew(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (tmp_path / "log").write_bytes(b"x" * 10_000)
    for count in (1, 2):
        storage.append("log", b"entry")
        assert Storage(tmp_path).entries("log") == [b"entry"] * count


def test_what_is_kept_is_sealed(gate: Gate) -> None:
    gate.sync()
    assert gate.scan() is None
    kept = {path.name: path.read_bytes() for path in gate.folder.iterdir()}
    assert {"unsent", "taken", "state", "lists"} <= set(kept)
    told = (b"ICO1", b"library")
    assert not [name for name, content in kept.items() if any(word in content for word in told)]
    assert (gate.folder / "key").stat().st_mode & 0o077 == 0
    (gate.folder / "state").write_bytes(kept["lists"])  # of another place
    with pytest.raises(StorageBrokenError):
        gate.started()

"""Codes say who or what they stand for to us alone, and nothing after a single change."""

from __future__ import annotations

import math
import timeit
from datetime import UTC, datetime
from uuid import UUID, uuid4

import base45
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.keys import KeyRing, new_key_document
from app.redemptions import codes
from app.redemptions.codes import CodeUnreadable

KEYS = KeyRing.from_document(new_key_document())
CITIZEN, OTHER, CLERK, SHOP = uuid4(), uuid4(), uuid4(), uuid4()
NOW = datetime(2026, 11, 21, 8, 30, 0, 123456, tzinfo=UTC)
HOSTILE = (
    "", " ", "IC1", "IC1P", "IC1P:", "IC1V:" + "A" * 400, "IC1P:" + "0" * 106, "IC1X:ABC",
    "https://pay.example/?q=1", "<script>alert(1)</script>", '=HYPERLINK("http://x")',
    "'; DROP TABLE vouchers; --", "\u202eIC1P:", "IC1P:\u200b", "%s%s%n", "\x00" * 40,
    "A" * 100_000, "IC1P:" + "é" * 50, "134567890123456789", "../../etc/passwd", "{{7*7}}",
    "\ud800",
)  # fmt: skip


def pass_code() -> str:
    return codes.make_pass_code(KEYS, citizen_id=CITIZEN, session_id=OTHER, issued_at=NOW)


def voucher_code() -> str:
    return codes.make_voucher_code(KEYS, citizen_id=CITIZEN, voucher_id=OTHER)


def test_a_pass_code_says_who_and_when_to_the_microsecond() -> None:
    read = codes.read_scan(KEYS, pass_code())
    assert isinstance(read, codes.PassCode)
    assert (read.citizen_id, read.session_id, read.issued_at) == (CITIZEN, OTHER, NOW)
    assert read.expires_at - NOW == codes.PASS_CODE_LIFE


def test_two_codes_of_one_person_have_nothing_in_common() -> None:
    first, second = pass_code(), pass_code()
    assert first != second
    same = sum(a == b for a, b in zip(first[7:], second[7:], strict=True))
    assert same < len(first) / 4
    assert base45.b45encode(CITIZEN.bytes).decode() not in first


def test_voucher_reference_and_receipt_come_back() -> None:
    assert codes.read_scan(KEYS, voucher_code()) == codes.VoucherCode(CITIZEN, OTHER)
    reference = codes.make_reference(
        KEYS, citizen_id=CITIZEN, session_id=OTHER, clerk_id=CLERK, shop_id=SHOP, previewed_at=NOW
    )
    read = codes.read_reference(KEYS, reference)
    assert (read.clerk_id, read.shop_id) == (CLERK, SHOP)
    assert read.expires_at - NOW == codes.REFERENCE_LIFE
    receipt = codes.make_receipt(KEYS, citizen_id=CITIZEN, clerk_id=CLERK, redemption_id=OTHER)
    assert codes.read_receipt(KEYS, receipt) == codes.Receipt(CITIZEN, CLERK, OTHER)


@pytest.mark.parametrize("make", [pass_code, voucher_code])
def test_a_change_at_any_position_makes_a_code_unreadable(make: object) -> None:
    assert callable(make)
    text = make()
    for place, character in enumerate(text):
        for replacement in {"0", "Z", ":", " "} - {character}:
            with pytest.raises(CodeUnreadable):
                codes.read_scan(KEYS, text[:place] + replacement + text[place + 1 :])


def test_every_flipped_bit_makes_a_code_unreadable() -> None:
    text = pass_code()
    sealed = base45.b45decode(text[5:])
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodeUnreadable):
            codes.read_scan(KEYS, text[:5] + base45.b45encode(bytes(changed)).decode())


@pytest.mark.parametrize("make", [pass_code, voucher_code])
def test_the_text_is_base45(make: object) -> None:
    assert callable(make)
    for _ in range(100):
        text = make()[5:]
        assert base45.b45encode(base45.b45decode(text)).decode() == text


def test_truncated_and_extended_codes_are_unreadable() -> None:
    text = voucher_code()
    for end in range(len(text)):
        with pytest.raises(CodeUnreadable):
            codes.read_scan(KEYS, text[:end])
    with pytest.raises(CodeUnreadable):
        codes.read_scan(KEYS, text + "00")


def test_one_kind_of_code_is_never_taken_for_another() -> None:
    body = pass_code()[5:]
    with pytest.raises(CodeUnreadable):
        codes.read_scan(KEYS, "IC1V:" + body)
    with pytest.raises(CodeUnreadable):
        codes.read_reference(KEYS, pass_code())
    with pytest.raises(CodeUnreadable):
        codes.read_receipt(KEYS, "IC1T:" + body)
    receipt = codes.make_receipt(KEYS, citizen_id=CITIZEN, clerk_id=CLERK, redemption_id=OTHER)
    with pytest.raises(CodeUnreadable):
        codes.read_scan(KEYS, receipt)


def test_codes_of_a_retired_key_and_of_another_city_are_unreadable() -> None:
    other = KeyRing.from_document(new_key_document())
    with pytest.raises(CodeUnreadable):
        codes.read_scan(other, pass_code())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_refused_quickly(text: str) -> None:
    def refuse() -> None:
        with pytest.raises(CodeUnreadable):
            codes.read_scan(KEYS, text)
        codes.scan_digest(KEYS, text)

    assert min(timeit.repeat(refuse, number=1, repeat=5)) < 0.05


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=600))
def test_no_text_crashes_the_readers(text: str) -> None:
    for reader in (codes.read_scan, codes.read_reference, codes.read_receipt):
        with pytest.raises(CodeUnreadable):
            reader(KEYS, text)
        with pytest.raises(CodeUnreadable):
            reader(KEYS, f"IC1P:{text}")


def test_manual_codes_are_short_strong_and_without_look_alikes() -> None:
    code = codes.manual_code(KEYS, citizen_id=CITIZEN, voucher_id=OTHER)
    assert code == codes.manual_code(KEYS, citizen_id=CITIZEN, voucher_id=OTHER)
    assert math.log2(len(codes.MANUAL_ALPHABET)) * len(code) >= 50
    assert not set("0O1IL5S2Z8B6V") & set(codes.MANUAL_ALPHABET) - {"L"}
    many = {codes.manual_code(KEYS, citizen_id=CITIZEN, voucher_id=UUID(int=n)) for n in range(500)}
    assert len(many) == 500


def test_manual_codes_are_typed_in_any_dress() -> None:
    code = codes.manual_code(KEYS, citizen_id=CITIZEN, voucher_id=OTHER)
    shown = codes.spell_manual_code(code)
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in code)
    for typed in (code, shown, shown.lower(), f" {shown} ", full_width):
        assert codes.parse_manual_code(typed) == code
    for typed in ("", code[:-1], code + "A", code[:-1] + "0", "A" * 600):
        with pytest.raises(CodeUnreadable):
            codes.parse_manual_code(typed)

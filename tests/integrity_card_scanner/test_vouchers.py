"""Q4, Q5, Q13: offline codes are small, and no changed one is ever taken."""

from __future__ import annotations

import hashlib
import random
import secrets
import tracemalloc
from datetime import timedelta

import base45
import cbor2
import pytest
from qrcode import QRCode
from qrcode.constants import ERROR_CORRECT_M

from integrity_card_scanner import suites
from integrity_card_scanner.envelope import (
    BadEnvelopeError,
    Kind,
    PublicKey,
    SigningKey,
    open_envelope,
    sign_envelope,
)
from integrity_card_scanner.suites import SM2_SM3
from integrity_card_scanner.vouchers import (
    CODE_FULL_CHARS,
    CODE_MAX_CHARS,
    PREFIX,
    SCOPE_MAX,
    WORDS,
    CodeTooLargeError,
    make_code,
    read_code,
)
from tests.conftest import Sized
from tests.integrity_card_scanner.made_up import NOW, a_key, a_voucher

KEY = a_key()
ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


def known(kid: bytes) -> PublicKey | None:
    return KEY.public if kid == KEY.public.kid else None


def refused(text: str) -> str:
    with pytest.raises(BadEnvelopeError) as caught:
        read_code(text, known)
    return caught.value.reason


def test_a_code_says_what_was_signed() -> None:
    voucher = a_voucher(scope=(b"abcd", b"efgh"))
    read = read_code(make_code(KEY, voucher.payload()), known)
    assert read.voucher == voucher
    assert read.kid == KEY.public.kid


def test_q5_the_largest_code_fits_version_10_at_level_m() -> None:
    scope = tuple(secrets.token_bytes(4) for _ in range(SCOPE_MAX))
    largest = [
        a_voucher(benefit_code="b" * 24, scope=scope, slot=2**32, worth_fen=99_999),
        a_voucher(benefit_code="b" * 40, slot=2**32),
        a_voucher(value=dict.fromkeys(WORDS, 1_000_000), benefit_code="b" * 24),
    ]
    for voucher in [a_voucher(), *largest]:
        text = make_code(KEY, voucher.payload())
        assert len(text) <= CODE_FULL_CHARS
        assert set(text) <= ALPHANUMERIC
        picture = QRCode(error_correction=ERROR_CORRECT_M)
        picture.add_data(text)
        picture.make(fit=True)
        assert picture.version <= 10


def test_q5_a_larger_one_is_never_made() -> None:
    with pytest.raises(CodeTooLargeError):
        make_code(KEY, a_voucher(benefit_code="b" * 80).payload())


def test_q5_no_code_lives_longer_than_a_day() -> None:
    late = a_voucher(expires_at=NOW + timedelta(hours=24, seconds=1))
    assert refused(make_code(KEY, late.payload())) == "not_a_voucher"


def test_q4_every_flipped_bit_is_refused() -> None:
    envelope = base45.b45decode(make_code(KEY, a_voucher().payload())[len(PREFIX) :])
    assert len(envelope) * 8 >= 864
    for bit in range(len(envelope) * 8):
        changed = bytearray(envelope)
        changed[bit // 8] ^= 1 << bit % 8
        refused(PREFIX + base45.b45encode(bytes(changed)).decode())


def test_a_code_by_another_key_is_refused() -> None:
    assert refused(make_code(a_key(), a_voucher().payload())) == "key_unknown"


def test_a_key_under_anothers_name_is_refused() -> None:
    code = make_code(a_key(), a_voucher().payload())
    with pytest.raises(BadEnvelopeError, match="signature_wrong"):
        read_code(code, lambda _: KEY.public)


def test_an_envelope_of_another_kind_is_no_voucher() -> None:
    envelope = sign_envelope(KEY, Kind.GRANT, a_voucher().payload())
    assert refused(PREFIX + base45.b45encode(envelope).decode()) == "signature_wrong"


@pytest.mark.parametrize("payload", [
    b"", b"\xff", cbor2.dumps(7), cbor2.dumps({}), cbor2.dumps([1, 2]), cbor2.dumps({1: b"short"}),
    b"\x9b" + b"\xff" * 8, b"\xc1" * 60,
])  # fmt: skip
def test_q13_signed_nonsense_is_refused(payload: bytes) -> None:
    assert refused(make_code(KEY, payload)) == "not_a_voucher"


@pytest.mark.parametrize("text", [
    "", "ICO1:", "IC1P:ABC", "ICO1:" + "A" * CODE_MAX_CHARS, "ICO1:::::::", "ICO1:é", "ico1:AB",
    "ICO1:\u202eAB", "=1+1", "https://example.com/", "ICO1:00", "ICO1:000",
])  # fmt: skip
def test_other_texts_are_no_codes(text: str) -> None:
    refused(text)


def mutated(code: str, generator: random.Random, alphabet: list[str]) -> str:
    changed = list(code)
    for _ in range(generator.choice((1, 1, 2, 8))):
        at = generator.randrange(len(changed))
        way = generator.randrange(4)
        if way == 0:
            changed[at] = generator.choice(alphabet)
        elif way == 1:
            changed[at : at + 1] = []
        elif way == 2:
            changed.insert(at, generator.choice(alphabet))
        else:
            changed[at:] = generator.choices(alphabet, k=generator.randrange(1, 400))
        changed = changed or ["I"]
    return "".join(changed)


@pytest.mark.sized
@pytest.mark.timeout(1800)
def test_q13_mutated_codes_are_neither_taken_nor_fatal(sized: Sized) -> None:
    """No crash, no acceptance, less than 1 MB for any of them."""
    generator = random.Random(20261121)
    code = make_code(KEY, a_voucher().payload())
    alphabet = sorted(ALPHANUMERIC)
    tracemalloc.start()
    for _ in range(sized(ci=20_000, full=1_000_000)):
        text = mutated(code, generator, alphabet)
        if text != code:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()  # with the litter of those before it
            refused(text)
            assert tracemalloc.get_traced_memory()[1] - before < 1_000_000, text
    tracemalloc.stop()


class Backwards:
    """A toy algorithm: what another suite must provide."""

    cose_algorithm = -65_537
    signature_bytes = 40

    def public_key(self, secret: bytes) -> bytes:
        return secret[::-1]

    def sign(self, secret: bytes, message: bytes) -> bytes:
        return hashlib.sha256(secret[::-1] + message).digest() + b"toytoyto"

    def verifies(self, public: bytes, message: bytes, signature: bytes) -> bool:
        wanted = hashlib.sha256(public + message).digest() + b"toytoyto"
        return secrets.compare_digest(signature, wanted)


def test_the_second_suite_is_refused_until_somebody_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = SigningKey(SM2_SM3, secrets.token_bytes(32))
    with pytest.raises(BadEnvelopeError, match="suite_unknown"):
        make_code(key, b"")
    monkeypatch.setitem(vars(suites)["_suites"], SM2_SM3, None)  # forgotten after the test
    suites.register_suite(SM2_SM3, Backwards())
    voucher = a_voucher()
    assert read_code(make_code(key, voucher.payload()), lambda _: key.public).voucher == voucher
    assert refused(make_code(key, voucher.payload())) == "key_unknown"


def test_a_large_envelope_opens() -> None:
    for size in (0, 23, 24, 255, 256, 65_535, 65_536, 200_000):
        envelope = sign_envelope(KEY, Kind.DENY_LIST, bytes(size))
        assert open_envelope(envelope, Kind.DENY_LIST, known).payload == bytes(size)


def test_representations_hide_secrets() -> None:
    assert repr(KEY.secret) not in repr(KEY)

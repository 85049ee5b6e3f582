"""Signed envelopes: a suite byte and a COSE_Sign1 (RFC 9052) of one fixed layout.

`suite | 18([<<{1: algorithm, 4: key id}>>, {}, payload, signature])`.  What is signed names the
kind of the envelope, so that none can be taken for another.  The layout is rebuilt and compared
before the signature is looked at: no decoder ever sees bytes that nobody signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import cbor2

from integrity_card_scanner.suites import KEY_ID_BYTES, Suite, find_suite, key_id

ENVELOPE_MAX_BYTES: Final = 1 << 22
_HEAD_BYTES: Final = (1, 2, 3, 5)  # of a byte string, by its length


class Kind(StrEnum):
    """What an envelope is; part of what is signed."""

    VOUCHER = "voucher"
    KEY_LIST = "key list"
    DENY_LIST = "deny list"
    GRANT = "grant"
    UPLOAD = "upload"
    ENROLMENT = "enrolment"


class BadEnvelopeError(ValueError):
    """Not an envelope, of another kind, by an unknown key, or changed; `reason` is stable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class SigningKey:
    """A secret key; it never shows in a representation."""

    suite: int
    secret: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.suite, _suite(self.suite).public_key(self.secret))


@dataclass(frozen=True)
class PublicKey:
    """A public key."""

    suite: int
    public: bytes

    @property
    def kid(self) -> bytes:
        """Its name in envelopes."""
        return key_id(self.public)


FindKey = Callable[[bytes], PublicKey | None]


@dataclass(frozen=True)
class Opened:
    """What was signed, and by which key."""

    kid: bytes
    payload: bytes


def sign_envelope(key: SigningKey, kind: Kind, payload: bytes) -> bytes:
    """The envelope around a payload."""
    suite = _suite(key.suite)
    kid = key.public.kid
    signature = suite.sign(key.secret, _signed(key.suite, kid, kind, payload))
    return _envelope(key.suite, kid, payload, signature)


def open_envelope(envelope: bytes, kind: Kind, find_key: FindKey) -> Opened:
    """The payload of a good envelope; BadEnvelopeError otherwise."""
    number, kid, payload, signature = _take_apart(envelope)
    key = find_key(kid)
    if key is None or key.suite != number:
        raise BadEnvelopeError("key_unknown")
    if not _suite(number).verifies(key.public, _signed(number, kid, kind, payload), signature):
        raise BadEnvelopeError("signature_wrong")
    return Opened(kid, payload)


def _suite(number: int) -> Suite:
    suite = find_suite(number)
    if suite is None:
        raise BadEnvelopeError("suite_unknown")
    return suite


def _take_apart(envelope: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Suite, key id, payload and signature of an envelope with exactly our layout."""
    if not 0 < len(envelope) <= ENVELOPE_MAX_BYTES:
        raise BadEnvelopeError("not_an_envelope")
    number = envelope[0]
    size = _suite(number).signature_bytes
    before = len(_before_payload(number, bytes(KEY_ID_BYTES)))
    kid = envelope[before - 1 - KEY_ID_BYTES : before - 1]
    signature = envelope[-size:]
    between = len(envelope) - before - size - len(_head(size))
    for head in _HEAD_BYTES:
        length = between - head
        if length >= 0 and len(_head(length)) == head:
            payload = envelope[before + head : before + head + length]
            if len(kid) == KEY_ID_BYTES and _envelope(number, kid, payload, signature) == envelope:
                return number, kid, payload, signature
    raise BadEnvelopeError("not_an_envelope")


def _envelope(number: int, kid: bytes, payload: bytes, signature: bytes) -> bytes:
    return b"".join((
        _before_payload(number, kid), _head(len(payload)), payload, _head(len(signature)), signature
    ))


def _signed(number: int, kid: bytes, kind: Kind, payload: bytes) -> bytes:
    context = bytes((number,)) + b"integrity card " + kind.encode()
    return cbor2.dumps(["Signature1", _protected(number, kid), context, payload])


@lru_cache(maxsize=64)
def _before_payload(number: int, kid: bytes) -> bytes:
    protected = _protected(number, kid)
    return bytes((number,)) + b"\xd2\x84" + _head(len(protected)) + protected + b"\xa0"


@lru_cache(maxsize=64)
def _protected(number: int, kid: bytes) -> bytes:
    return cbor2.dumps({1: _suite(number).cose_algorithm, 4: kid})


def _head(length: int) -> bytes:
    """The head of a CBOR byte string."""
    for code, size in ((0x58, 1), (0x59, 2), (0x5A, 4)):
        if length < 24:  # noqa: PLR2004 -- RFC 8949, 3
            return bytes((0x40 + length,))
        if length < 1 << (8 * size):
            return bytes((code,)) + length.to_bytes(size)
    raise BadEnvelopeError("not_an_envelope")

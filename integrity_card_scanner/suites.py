"""Signature algorithms behind a suite byte.

Ed25519 is number 1.  Number 2 is kept for SM2 with SM3 (GB/T 32918): whoever has a certified module
registers it with `register_suite`; nothing else changes.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = 1
SM2_SM3: Final = 2
KEY_ID_BYTES: Final = 4


class Suite(Protocol):
    """One algorithm; keys and signatures are bytes of fixed lengths."""

    @property
    def cose_algorithm(self) -> int:
        """The number in the protected header."""

    @property
    def signature_bytes(self) -> int:
        """How long every signature is."""

    def public_key(self, secret: bytes) -> bytes:
        """The public key of a secret one."""

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """The signature."""

    def verifies(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good."""


class Ed25519Suite:
    """EdDSA over edwards25519 (RFC 8032)."""

    cose_algorithm = -8
    signature_bytes = 64

    def public_key(self, secret: bytes) -> bytes:
        """The public key of a secret one."""
        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """The signature; the same each time."""
        return _private(secret).sign(message)

    def verifies(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good."""
        try:
            _public(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


_suites: dict[int, Suite] = {ED25519: Ed25519Suite()}


def register_suite(number: int, suite: Suite) -> None:
    """Make an algorithm known under its suite byte."""
    _suites[number] = suite


def find_suite(number: int) -> Suite | None:
    """The algorithm of a suite byte; None when this build has none."""
    return _suites.get(number)


def key_id(public: bytes) -> bytes:
    """The name of a key: the first bytes of its digest."""
    return sha256(public).digest()[:KEY_ID_BYTES]


@lru_cache(maxsize=16)
def _private(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret)


@lru_cache(maxsize=256)
def _public(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)

"""Sealing, wrapping and blind indexes: AEAD only, a suite byte and a key id in every result.

A sealed value is `suite (1 byte) | key id (1 byte) | nonce (12) | ciphertext and tag`.  The first
two bytes are authenticated together with the caller's context, so that a value cannot be moved to
another row, column or key.  SM4 uses the first 16 bytes of the HKDF output of its 32-byte key.
"""

from __future__ import annotations

import hmac
import secrets
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hmac as keyed_hash
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.kernel.keys import KEY_BYTES, Key, KeyProvider, KeyPurpose, Suite, UnknownKeyError

HEADER_BYTES = 2
NONCE_BYTES = 12
TAG_BYTES = 16
SEALED_MIN_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES


class SealBrokenError(ValueError):
    """The sealed value was cut, changed, moved to another place, or its key is gone."""


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class _Sm4Gcm:
    """SM4-GCM with the interface of `AESGCM`."""

    def __init__(self, secret: bytes) -> None:
        derive = HKDF(algorithm=hashes.SHA256(), length=16, salt=None, info=b"sm4-gcm")
        self._secret = derive.derive(secret)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        encryptor = Cipher(algorithms.SM4(self._secret), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data or b"")
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        mode = modes.GCM(nonce, data[-TAG_BYTES:])
        decryptor = Cipher(algorithms.SM4(self._secret), mode).decryptor()
        decryptor.authenticate_additional_data(associated_data or b"")
        return decryptor.update(data[:-TAG_BYTES]) + decryptor.finalize()


@lru_cache(maxsize=4096)
def _aead(suite: Suite, secret: bytes) -> _Aead:
    return AESGCM(secret) if suite is Suite.AES_GCM_SHA256 else _Sm4Gcm(secret)


def seal(key: Key, plaintext: bytes, *, context: bytes) -> bytes:
    """Encrypt under the key, bound to the context (what, and whose)."""
    header = bytes((key.suite, key.id))
    nonce = secrets.token_bytes(NONCE_BYTES)
    return header + nonce + _aead(key.suite, key.secret).encrypt(nonce, plaintext, header + context)


def unseal(keys: KeyProvider, purpose: KeyPurpose, sealed: bytes, *, context: bytes) -> bytes:
    """Decrypt with the key that the value names; SealBrokenError when anything is off."""
    if len(sealed) < SEALED_MIN_BYTES:
        raise SealBrokenError
    try:
        key = keys.by_id(purpose, sealed[1])
    except UnknownKeyError as error:
        raise SealBrokenError from error
    return unseal_with(key, sealed, context=context)


def unseal_with(key: Key, sealed: bytes, *, context: bytes) -> bytes:
    """Decrypt with exactly this key; SealBrokenError when anything is off."""
    header, nonce = sealed[:HEADER_BYTES], sealed[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
    if len(sealed) < SEALED_MIN_BYTES or header != bytes((key.suite, key.id)):
        raise SealBrokenError
    try:
        body = sealed[HEADER_BYTES + NONCE_BYTES :]
        return _aead(key.suite, key.secret).decrypt(nonce, body, header + context)
    except InvalidTag as error:
        raise SealBrokenError from error


def keyed_digest(key: Key, message: bytes) -> bytes:
    """A keyed hash of 32 bytes: HMAC-SHA-256, or HMAC-SM3 in the second suite."""
    if key.suite is Suite.AES_GCM_SHA256:
        return hmac.digest(key.secret, message, "sha256")
    digest = keyed_hash.HMAC(key.secret, hashes.SM3())
    digest.update(message)
    return digest.finalize()


def new_wrapped_key(
    keys: KeyProvider, purpose: KeyPurpose, *, context: bytes
) -> tuple[Key, bytes]:
    """A fresh key for what the context names: the key itself, and its wrapped form to store."""
    wrapping = keys.active(purpose)
    key = Key(purpose, 1, wrapping.suite, secrets.token_bytes(KEY_BYTES))
    return key, _wrap(wrapping, key, context)


def open_wrapped_key(
    keys: KeyProvider, purpose: KeyPurpose, wrapped: bytes, *, context: bytes
) -> Key:
    """The key from its stored form; SealBrokenError when anything is off."""
    opened = unseal(keys, purpose, wrapped, context=context)
    if len(opened) == KEY_BYTES:
        return Key(purpose, 1, Suite(wrapped[0]), opened)
    return Key(purpose, 1, Suite(opened[0]), opened[1:])


def rewrap_key(keys: KeyProvider, purpose: KeyPurpose, wrapped: bytes, *, context: bytes) -> bytes:
    """The same key, of the same suite, wrapped under the active key of the purpose."""
    key = open_wrapped_key(keys, purpose, wrapped, context=context)
    return _wrap(keys.active(purpose), key, context)


def reseal(keys: KeyProvider, purpose: KeyPurpose, sealed: bytes, *, context: bytes) -> bytes:
    """The same value, sealed under the active key of the purpose."""
    return seal(
        keys.active(purpose), unseal(keys, purpose, sealed, context=context), context=context
    )


def key_id_of(sealed: bytes) -> int:
    """The id of the key that a sealed value, or a wrapped key, is under."""
    return sealed[1]


def _wrap(wrapping: Key, key: Key, context: bytes) -> bytes:
    """A key outlives what wraps it: where their suites differ, its own stands before its secret."""
    own = b"" if key.suite is wrapping.suite else bytes((key.suite,))
    return seal(wrapping, own + key.secret, context=context)


def new_data_key(keys: KeyProvider, *, citizen_id: UUID) -> tuple[Key, bytes]:
    """A fresh data key for one citizen: the key itself, and its wrapped form to store."""
    return new_wrapped_key(keys, KeyPurpose.DATA_WRAP, context=data_key_context(citizen_id))


def open_data_key(keys: KeyProvider, wrapped: bytes, *, citizen_id: UUID) -> Key:
    """The data key of a citizen from its stored form."""
    context = data_key_context(citizen_id)
    return open_wrapped_key(keys, KeyPurpose.DATA_WRAP, wrapped, context=context)


def field_context(*, table: str, column: str, row_id: UUID) -> bytes:
    """The place that an encrypted column value is bound to."""
    return f"{table}.{column}:{row_id}".encode()


def data_key_context(citizen_id: UUID) -> bytes:
    """Whose data key a wrapped one is."""
    return b"data_key:" + citizen_id.bytes

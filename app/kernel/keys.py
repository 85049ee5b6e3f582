"""Keys: one provider interface, ids, suites, rotation.

A key ring holds, per purpose, any number of keys; exactly one is active (used for new data), the
others still open what they closed.  In development the ring is a JSON file; in production another
`KeyProvider` asks a KMS or HSM.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Protocol

KEY_BYTES = 32
KEY_ID_MAX = 255


class Suite(IntEnum):
    """The algorithms behind a suite byte; both are AEAD with a 16-byte tag and a keyed hash."""

    AES_GCM_SHA256 = 1  # AES-256-GCM and HMAC-SHA-256
    SM4_GCM_SM3 = 2  # SM4-GCM and HMAC-SM3 (GB/T 32907, GB/T 32905)


class KeyPurpose(StrEnum):
    """What a key is for; a key never serves two purposes."""

    TOKEN = "token"  # noqa: S105 -- signs access and refresh tokens (HS256)
    DATA_WRAP = "data_wrap"  # wraps the data key of each citizen
    UPLOAD_WRAP = "upload_wrap"  # wraps the key of each file that waits to be taken
    STAFF_SECRET = "staff_secret"  # noqa: S105 -- seals TOTP secrets of staff
    MERCHANT_CONTACT = "merchant_contact"  # seals the contact persons of applying organisations
    SOURCE_SECRET = "source_secret"  # noqa: S105 -- seals what source machines sign with
    CODE = "code"  # seals pass codes, voucher codes and join tickets
    OFFLINE_VOUCHER = "offline_voucher"  # the Ed25519 seed that signs offline codes
    OFFLINE_LIST = "offline_list"  # the Ed25519 seed that signs deny lists and grants of devices
    INDEX_ID_NUMBER = "index_id_number"  # blind index of resident ID numbers
    INDEX_OPENID = "index_openid"  # blind index of WeChat identities
    INDEX_PHONE = "index_phone"  # blind index of phone numbers
    INDEX_READER = "index_reader"  # blind index of libraries' reader accounts
    SIGN_IN = "sign_in"  # keyed hashes of machines' secrets and of who tries to sign in
    CONTENT = "content"  # keyed hash of record contents, to tell duplicates
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 -- seals what merchants check webhooks with
    PUBLICATION = "publication"  # the Ed25519 seed that signs what is published


class UnknownKeyError(LookupError):
    """No key with this purpose and id is in the ring (never made, or retired)."""


@dataclass(frozen=True)
class Key:
    """One key; the secret never shows in a representation."""

    purpose: KeyPurpose
    id: int
    suite: Suite
    secret: bytes = field(repr=False)


class KeyProvider(Protocol):
    """Where keys come from."""

    def active(self, purpose: KeyPurpose) -> Key:
        """The key for new data."""

    def by_id(self, purpose: KeyPurpose, key_id: int) -> Key:
        """The key that closed existing data; UnknownKeyError when there is none."""

    def all(self, purpose: KeyPurpose) -> tuple[Key, ...]:
        """Every usable key of the purpose, the active one first."""


class KeyRing:
    """A provider over JSON: {purpose: [{id, suite, secret}, …]}, the active key first."""

    def __init__(self, keys: dict[KeyPurpose, tuple[Key, ...]]) -> None:
        missing = [purpose.value for purpose in KeyPurpose if not keys.get(purpose)]
        if missing:
            message = f"the key ring has no key for: {', '.join(missing)}"
            raise ValueError(message)
        self._keys = keys
        self._by_id = {(k.purpose, k.id): k for ring in keys.values() for k in ring}

    @classmethod
    def from_file(cls, path: Path) -> KeyRing:
        """Read the ring; ValueError names what is wrong with it, never a secret."""
        return cls.from_document(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_document(cls, document: dict[str, list[dict[str, object]]]) -> KeyRing:
        """Read the ring from its parsed JSON."""
        return cls({
            KeyPurpose(purpose): tuple(_key(KeyPurpose(purpose), entry) for entry in entries)
            for purpose, entries in document.items()
        })

    def active(self, purpose: KeyPurpose) -> Key:
        """The key for new data."""
        return self._keys[purpose][0]

    def by_id(self, purpose: KeyPurpose, key_id: int) -> Key:
        """The key that closed existing data."""
        try:
            return self._by_id[purpose, key_id]
        except KeyError:
            message = f"no {purpose} key {key_id}"
            raise UnknownKeyError(message) from None

    def all(self, purpose: KeyPurpose) -> tuple[Key, ...]:
        """Every usable key of the purpose, the active one first."""
        return self._keys[purpose]


def _key(purpose: KeyPurpose, entry: dict[str, object]) -> Key:
    key_id, suite = int(str(entry["id"])), Suite(int(str(entry["suite"])))
    secret = base64.b64decode(str(entry["secret"]), validate=True)
    if not 0 < key_id <= KEY_ID_MAX or len(secret) != KEY_BYTES:
        message = f"key {key_id} for {purpose}: ids are 1-{KEY_ID_MAX}, secrets {KEY_BYTES} bytes"
        raise ValueError(message)
    return Key(purpose=purpose, id=key_id, suite=suite, secret=secret)


def new_key_document() -> dict[str, list[dict[str, object]]]:
    """A fresh ring with one random key per purpose, as JSON-ready document."""
    return {
        purpose.value: [{
            "id": 1,
            "suite": int(Suite.AES_GCM_SHA256),
            "secret": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        }]
        for purpose in KeyPurpose
    }


def completed(document: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """The ring with a fresh key for every purpose that it has none for; the others stay."""
    return {**new_key_document(), **document}


if __name__ == "__main__":
    known = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")) if sys.argv[1:] else {}
    sys.stdout.write(json.dumps(completed(known), indent=2) + "\n")

"""The texts of paper cards: the number on the card, the PIN in a message, the handle of a check.

A number is 16 characters without look-alikes (73 bits), random, and says nothing about its holder.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.kernel.crypto import SealBrokenError, keyed_digest, seal, unseal
from app.kernel.keys import KeyProvider, KeyPurpose
from app.redemptions.codes import CODE_MAX_CHARS, MANUAL_ALPHABET, CodeUnreadable

CARD_PREFIX: Final = "IC1C:"
CARD_LENGTH: Final = 16
PIN_LENGTH: Final = 6
HANDLE_PREFIX: Final = "IC1H:"
HANDLE_MAX_CHARS: Final = 256
_ID_BYTES: Final = 16


@dataclass(frozen=True)
class Handle:
    """A check at one counter: good for that clerk in that shop alone."""

    citizen_id: UUID
    check_id: UUID
    clerk_id: UUID
    shop_id: UUID


def new_number() -> str:
    """A number that nobody has."""
    return "".join(secrets.choice(MANUAL_ALPHABET) for _ in range(CARD_LENGTH))


def spell_number(number: str) -> str:
    """The number in groups of four, as it is printed."""
    return "-".join(number[start : start + 4] for start in range(0, CARD_LENGTH, 4))


def parse_number(text: str) -> str:
    """The number of a scanned or typed card; CodeUnreadable when it is none."""
    if len(text) > CODE_MAX_CHARS:
        raise CodeUnreadable
    typed = unicodedata.normalize("NFKC", text).upper().removeprefix(CARD_PREFIX)
    number = "".join(character for character in typed if character not in " -\t")
    if len(number) != CARD_LENGTH or not set(number) <= set(MANUAL_ALPHABET):
        raise CodeUnreadable
    return number


def number_hashes(keys: KeyProvider, number: str) -> list[bytes]:
    """Under which hashes a number may be kept, the active key's first."""
    message = b"paper card:" + number.encode()
    return [keyed_digest(key, message) for key in keys.all(KeyPurpose.CODE)]


def new_pin() -> str:
    """Six digits."""
    return f"{secrets.randbelow(10**PIN_LENGTH):0{PIN_LENGTH}d}"


def pin_hashes(
    keys: KeyProvider, *, check_id: UUID, pin: str, about: bytes = b""
) -> list[bytes]:
    """Under which hashes the PIN of this check may be kept, the active key's first.

    `about` is what the PIN was sent for, where it is good for that alone.
    """
    message = b"card pin:" + check_id.bytes + pin.encode() + about
    return [keyed_digest(key, message) for key in keys.all(KeyPurpose.CODE)]


def make_handle(keys: KeyProvider, handle: Handle) -> str:
    """What a clerk gets to go on with."""
    ids = (handle.citizen_id, handle.check_id, handle.clerk_id, handle.shop_id)
    body = b"".join(one.bytes for one in ids)
    sealed = seal(keys.active(KeyPurpose.CODE), body, context=HANDLE_PREFIX.encode())
    return HANDLE_PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_handle(keys: KeyProvider, text: str) -> Handle:
    """The check behind a handle; CodeUnreadable when it is none."""
    if not text.startswith(HANDLE_PREFIX) or len(text) > HANDLE_MAX_CHARS:
        raise CodeUnreadable
    body = text.removeprefix(HANDLE_PREFIX)
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
        ids = unseal(keys, KeyPurpose.CODE, sealed, context=HANDLE_PREFIX.encode())
    except (SealBrokenError, binascii.Error, ValueError):
        raise CodeUnreadable from None
    return Handle(*(
        UUID(bytes=ids[at : at + _ID_BYTES]) for at in range(0, len(ids), _ID_BYTES)
    ))

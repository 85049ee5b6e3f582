"""Reading what was signed: a good signature says who wrote bytes, not that they make sense.

Everything is checked for its type and size before anything is done with it, so that bytes of
another shape end in BadEnvelopeError and in nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import cbor2

from integrity_card_scanner.envelope import BadEnvelopeError

NUMBER_MAX: Final = 1 << 62
_MISSHAPEN: Final = (
    cbor2.CBORError, zlib.error, LookupError, TypeError, ValueError, OverflowError,
)  # fmt: skip
T = TypeVar("T")


def read_shape(payload: bytes, reason: str, make: Callable[[Any], T]) -> T:
    """What `make` makes of a payload; BadEnvelopeError with the reason for another shape."""
    try:
        return make(cbor2.loads(payload))
    except _MISSHAPEN as error:
        raise BadEnvelopeError(reason) from error


def a_map(said: Any) -> dict[Any, Any]:
    """A map, and nothing that can be indexed like one."""
    return _one(said, dict)


def a_list(said: Any) -> list[Any]:
    """A list."""
    return _one(said, list)


def a_text(said: Any) -> str:
    """A text."""
    return _one(said, str)


def a_number(said: Any, most: int = NUMBER_MAX) -> int:
    """A whole number from 0 on; true and false are none."""
    number = _one(said, int)
    if not 0 <= number <= most:
        raise ValueError
    return number


def some_bytes(said: Any, size: int | None = None) -> bytes:
    """A byte string, of so many bytes."""
    held = _one(said, bytes)
    if size is not None and len(held) != size:
        raise ValueError
    return held


def an_id(said: Any) -> UUID:
    """An id of sixteen bytes."""
    return UUID(bytes=some_bytes(said, 16))


def a_moment(said: Any) -> datetime:
    """Whole seconds since 1970."""
    return datetime.fromtimestamp(a_number(said), UTC)


def _one(said: Any, kind: type[T]) -> T:
    if type(said) is not kind:
        raise TypeError
    return said

"""Identifiers: UUIDv7, made by the caller before sending, so that a retry is recognised."""

from __future__ import annotations

import secrets
from itertools import pairwise
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A time-ordered UUIDv7 (RFC 9562) for rows.  Never a secret."""
    return uuid_utils.compat.uuid7()


def random_id() -> UUID:
    """A random UUID (122 bits) for ids that must not tell when they were made: citizens."""
    return UUID(bytes=secrets.token_bytes(16), version=4)


def id_slices(count: int) -> list[tuple[UUID, UUID]]:
    """All ids in `count` ranges of equal width, first and last: random ids spread evenly."""
    edges = [(1 << 128) * at // count for at in range(count + 1)]
    return [(UUID(int=low), UUID(int=high - 1)) for low, high in pairwise(edges)]

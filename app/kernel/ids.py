"""Identifiers: UUIDv7, made by the caller before sending, so that a retry is recognised."""

from __future__ import annotations

import secrets
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A time-ordered UUIDv7 (RFC 9562) for rows.  Never a secret."""
    return uuid_utils.compat.uuid7()


def random_id() -> UUID:
    """A random UUID (122 bits) for ids that must not tell when they were made: citizens."""
    return UUID(bytes=secrets.token_bytes(16), version=4)

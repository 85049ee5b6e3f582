"""Secrets and signatures of webhooks, in the form of Standard Webhooks (standardwebhooks.com).

A secret is shown once, as `whsec_…`; it is stored sealed under the keys of the platform, bound to
its endpoint.  While a secret is being replaced a message carries a signature by each.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.kernel.crypto import field_context, seal, unseal
from app.kernel.keys import KeyProvider, KeyPurpose

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- what every secret begins with
SECRET_BYTES: Final = 32


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """The secret as its owner keeps it."""
    return SECRET_PREFIX + b64encode(secret).decode()


def seal_secret(keys: KeyProvider, secret: bytes, *, endpoint_id: UUID) -> bytes:
    """The secret to store."""
    key = keys.active(KeyPurpose.WEBHOOK_SECRET)
    return seal(key, secret, context=secret_context(endpoint_id))


def open_secret(keys: KeyProvider, sealed: bytes, *, endpoint_id: UUID) -> bytes:
    """The secret from its stored form; SealBrokenError when anything is off."""
    return unseal(keys, KeyPurpose.WEBHOOK_SECRET, sealed, context=secret_context(endpoint_id))


def signed_headers(
    *, secrets_in_force: Sequence[bytes], message_id: str, sent_at_seconds: int, body: bytes
) -> dict[str, str]:
    """The three headers that let a receiver check the message: id, time, a signature by each."""
    signed = b".".join((message_id.encode(), str(sent_at_seconds).encode(), body))
    signatures = [
        "v1," + b64encode(hmac.digest(secret, signed, "sha256")).decode()
        for secret in secrets_in_force
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_seconds),
        "webhook-signature": " ".join(signatures),
    }


def secret_context(endpoint_id: UUID) -> bytes:
    """The place that a secret is bound to."""
    return field_context(table="webhook_endpoints", column="secret", row_id=endpoint_id)

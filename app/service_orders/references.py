"""The text that stands for an order at a counter: sealed, so that it tells a merchant nothing.

Every call gives another text for the same order; what it opens depends on who shows it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final
from uuid import UUID

from app.kernel.crypto import SealBrokenError, seal, unseal
from app.kernel.keys import KeyProvider, KeyPurpose
from app.service_orders.refusals import ServiceOrderUnknown

REFERENCE_MAX_CHARS: Final = 256
_PREFIX: Final = "IC1S:"
_CONTEXT: Final = b"service_orders.reference"
_ID_BYTES: Final = 16


def make_reference(keys: KeyProvider, *, citizen_id: UUID, order_id: UUID) -> str:
    """The text of an order."""
    ids = citizen_id.bytes + order_id.bytes
    sealed = seal(keys.active(KeyPurpose.CODE), ids, context=_CONTEXT)
    return _PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_reference(keys: KeyProvider, text: str) -> tuple[UUID, UUID]:
    """The citizen and the order behind a text.  ServiceOrderUnknown."""
    body = text.removeprefix(_PREFIX)
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
        ids = unseal(keys, KeyPurpose.CODE, sealed, context=_CONTEXT)
    except (SealBrokenError, binascii.Error, ValueError):
        raise ServiceOrderUnknown from None
    return UUID(bytes=ids[:_ID_BYTES]), UUID(bytes=ids[_ID_BYTES:])

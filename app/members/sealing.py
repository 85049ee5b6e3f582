"""What is personal, sealed under the citizen's own key and bound to its row and column."""

from __future__ import annotations

from uuid import UUID

from app.kernel.crypto import field_context, keyed_digest, seal, unseal_with
from app.kernel.keys import Key, KeyProvider, KeyPurpose

PROFILES = "citizen_profiles"
IDENTITIES = "wechat_identities"
INDEX_PURPOSES = {
    "id_number": KeyPurpose.INDEX_ID_NUMBER,
    "openid": KeyPurpose.INDEX_OPENID,
}


def seal_field(key: Key, value: str, *, table: str, column: str, citizen_id: UUID) -> bytes:
    """The value sealed for this column of this citizen."""
    context = field_context(table=table, column=column, row_id=citizen_id)
    return seal(key, value.encode(), context=context)


def open_field(key: Key, sealed: bytes, *, table: str, column: str, citizen_id: UUID) -> str:
    """The value; SealBrokenError when it comes from another place or another citizen."""
    context = field_context(table=table, column=column, row_id=citizen_id)
    return unseal_with(key, sealed, context=context).decode()


def keyed_indexes(keys: KeyProvider, purpose: str, value: str) -> list[tuple[int, bytes]]:
    """The blind index under every usable key, each with the id of its key."""
    return [
        (key.id, keyed_digest(key, value.encode())) for key in keys.all(INDEX_PURPOSES[purpose])
    ]


def blind_indexes(keys: KeyProvider, purpose: str, value: str) -> list[bytes]:
    """The blind indexes under every usable key: for looking up."""
    return [index for _, index in keyed_indexes(keys, purpose, value)]

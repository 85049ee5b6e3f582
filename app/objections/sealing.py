"""What is written about an objection, sealed under its citizen's key and bound to its place."""

from __future__ import annotations

from uuid import UUID

from app.kernel.crypto import seal, unseal_with
from app.kernel.keys import Key, KeyProvider
from app.members.profiles import CitizenNotFound
from app.members.queries import find_data_key


def data_key(keys: KeyProvider, citizen_id: UUID) -> Key:
    """The key of a citizen; CitizenNotFound when it is destroyed."""
    found = find_data_key(keys=keys, citizen_id=citizen_id)
    if found is None:
        raise CitizenNotFound
    return found


def seal_text(key: Key, value: str, *, column: str, objection_id: UUID) -> bytes:
    """The text, for this column of this objection; of a second round under another name."""
    return seal(key, value.encode(), context=_context(column, objection_id))


def open_text(key: Key, sealed: bytes, *, column: str, objection_id: UUID) -> str:
    """The text; SealBrokenError when it comes from another place."""
    return unseal_with(key, sealed, context=_context(column, objection_id)).decode()


def part_context(objection_id: UUID, attachment_id: UUID, part: int) -> bytes:
    """The place of a piece of an attachment."""
    column = "objection_attachment_parts.content_sealed"
    return f"{column}:{objection_id}:{attachment_id}:{part}".encode()


def _context(column: str, objection_id: UUID) -> bytes:
    return f"objections.{column}:{objection_id}".encode()

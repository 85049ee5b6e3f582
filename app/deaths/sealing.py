"""What is written about a death, sealed under the citizen's key and bound to its place."""

from __future__ import annotations

from uuid import UUID

from app.kernel.crypto import field_context, seal, unseal_with
from app.kernel.keys import Key, KeyProvider
from app.members.profiles import CitizenNotFound
from app.members.queries import find_data_key

ARRANGEMENTS = "death_arrangements"
REPORTS = "death_reports"
APPLICATIONS = "relative_applications"
PAPERS = "death_papers"


def data_key(keys: KeyProvider, citizen_id: UUID) -> Key:
    """The key of a citizen; CitizenNotFound when it is destroyed."""
    found = find_data_key(keys=keys, citizen_id=citizen_id)
    if found is None:
        raise CitizenNotFound
    return found


def seal_text(key: Key, value: str, *, table: str, column: str, row_id: UUID) -> bytes:
    """The text, for this column of this row."""
    context = field_context(table=table, column=column, row_id=row_id)
    return seal(key, value.encode(), context=context)


def open_text(key: Key, sealed: bytes, *, table: str, column: str, row_id: UUID) -> str:
    """The text; SealBrokenError when it comes from another place."""
    context = field_context(table=table, column=column, row_id=row_id)
    return unseal_with(key, sealed, context=context).decode()


def part_context(paper_id: UUID, part: int) -> bytes:
    """The place of a piece of a file."""
    return f"death_paper_parts.content_sealed:{paper_id}:{part}".encode()

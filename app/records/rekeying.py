"""What is kept of deliveries under keys of the ring, moved when a key changes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from app.kernel.database import reading
from app.kernel.keys import KeyPurpose
from app.kernel.rotation import Awaited, Closed, OldKey, Stock
from app.records.models import Record
from app.records.returning import returned_context
from app.records.uploads import key_context


def _told_apart_by(key: OldKey) -> int:
    """How many records are told from their duplicates by this key: their contents are not kept."""
    query = select(func.count()).select_from(Record).where(
        func.get_byte(Record.content_digest, 0) == key.id
    )
    with reading() as session:
        return session.scalar(query) or 0


STOCKS: Final[tuple[Stock, ...]] = (
    Closed(
        KeyPurpose.UPLOAD_WRAP, "delivery_uploads", "upload_id", "wrapped_key", key_context,
        is_key=True,
    ),
    Closed(
        KeyPurpose.UPLOAD_WRAP, "delivery_returns", "delivery_id", "wrapped_key",
        returned_context, is_key=True,
    ),
    Awaited(KeyPurpose.CONTENT, "records.content_digest", _told_apart_by),
)

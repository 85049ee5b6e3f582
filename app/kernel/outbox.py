"""The outbox: what must happen after a commit is a row written inside it.

`put` writes a message in the caller's transaction; `jobs.relay` turns messages into jobs.  Both the
deletion of the message and the insertion of its job are one transaction, so a message is always
either here or a job: never lost, never doubled.  Jobs run at least once, so that receivers must be
idempotent by `message_id`.

Payloads hold ids and codes, never personal data: a handler reads what it needs when it runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.context import request_id
from app.kernel.database import Base, transaction_required
from app.kernel.ids import new_id
from app.kernel.scale import TableKind

REQUEST_ID_KEY = "request_id"


class OutboxMessage(Base):
    """A message that waits for its relay; it stays for milliseconds."""

    __tablename__ = "outbox"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def put(
    *, citizen_id: UUID, topic: str, payload: dict[str, Any], message_id: UUID | None = None
) -> UUID:
    """Write a message in the open transaction; its id.

    The id of the current request is added to the payload under `request_id`.  SQL functions call
    `outbox_put(citizen, message_id, topic, payload)` instead.
    """
    session = transaction_required()
    message_id = message_id or new_id()
    traced = {REQUEST_ID_KEY: request_id.get(), **payload}
    session.execute(
        text("SELECT outbox_put(:citizen_id, :message_id, :topic, CAST(:payload AS jsonb))"),
        {
            "citizen_id": citizen_id,
            "message_id": message_id,
            "topic": topic,
            "payload": orjson.dumps(traced).decode(),
        },
    )
    return message_id


TABLE_KINDS: dict[str, TableKind] = {
    "outbox": TableKind.CITIZEN,
    "check_results": TableKind.LOCAL,
    "calendar_years": TableKind.REFERENCE,
    "procrastinate_jobs": TableKind.LOCAL,
    "procrastinate_workers": TableKind.LOCAL,
    "procrastinate_periodic_defers": TableKind.LOCAL,
    "procrastinate_events": TableKind.LOCAL,
}

"""The access trail's table: append-only, filled through `trail_append`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class TrailEntry(Base):
    """One act upon a citizen's data: who, what, which fields, why, on what basis."""

    __tablename__ = "trail_entries"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    trail_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason: Mapped[str]
    basis: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {"trail_entries": TableKind.CITIZEN}

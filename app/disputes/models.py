"""The marks of disputed items."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class DisputedItem(Base):
    """An item that an objection is about, marked from `marked_at` until `lifted_at`."""

    __tablename__ = "disputed_items"
    __table_args__ = (
        Index(
            "ix_disputed_items__item", "citizen_id", "kind", "item",
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    objection_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    item: Mapped[str]
    marked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    lifted_at: Mapped[datetime | None]


TABLE_KINDS = {"disputed_items": TableKind.CITIZEN}

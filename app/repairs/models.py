"""The tables of credit repair; what people write stands in them sealed."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind

OPEN = text("state = 'open'")


class RepairApplication(Base):
    """A citizen asks that an adverse record ends before its term does."""

    __tablename__ = "repair_applications"
    __table_args__ = (
        Index(
            "uq_repair_applications__open", "citizen_id", "record_type", "record_number",
            unique=True, postgresql_where=OPEN,
        ),
        Index("ix_repair_applications__application_id", "application_id"),
        Index(
            "ix_repair_applications__decide_due_on", "decide_due_on", "application_id",
            postgresql_where=OPEN,
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    application_id: Mapped[UUID] = mapped_column(primary_key=True)
    record_type: Mapped[str]
    record_number: Mapped[str]
    evidence_sealed: Mapped[bytes]
    commitment_sealed: Mapped[bytes]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    filed_on: Mapped[date]
    decide_due_on: Mapped[date]
    reasons_sealed: Mapped[bytes | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EndNotice(Base):
    """That what a receiver was told rested on a record that has ended; never which, or whose."""

    __tablename__ = "end_notices"
    __table_args__ = (Index("ix_end_notices__receiver_id", "receiver_id", "notice_id"),)

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    notice_id: Mapped[UUID] = mapped_column(primary_key=True)
    receiver_kind: Mapped[str]
    receiver_id: Mapped[UUID]
    share_count: Mapped[int]
    last_shared_at: Mapped[datetime]
    ended_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "repair_applications": TableKind.CITIZEN,
    "end_notices": TableKind.CITIZEN,
}

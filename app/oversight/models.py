"""The tables of oversight: reports about how groups of members fare."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class FairnessReport(Base):
    """Tiers and benefits by group; figures hold no group of less than ten people."""

    __tablename__ = "fairness_reports"

    report_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_on: Mapped[date]
    to_on: Mapped[date]
    assessment_id: Mapped[UUID]
    requested_by: Mapped[UUID]
    reason: Mapped[str]
    slice_count: Mapped[int]
    slices_done: Mapped[int] = mapped_column(server_default=text("0"))
    figures: Mapped[dict[str, Any] | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {"fairness_reports": TableKind.LOCAL}

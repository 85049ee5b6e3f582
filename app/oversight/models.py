"""The tables of oversight: how groups of members fare, incidents with personal data."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
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


class Incident(Base):
    """An incident with personal data: what is known of it, and how far the telling is."""

    __tablename__ = "incidents"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_drill: Mapped[bool]
    scope: Mapped[str]
    scope_name: Mapped[str]
    seen_from: Mapped[datetime]
    seen_until: Mapped[datetime]
    found_at: Mapped[datetime]
    cause: Mapped[str]
    harm: Mapped[str]
    measures: Mapped[str]
    advice: Mapped[str]
    contact: Mapped[str]
    reported_by: Mapped[UUID]
    reason: Mapped[str]
    authority_due_at: Mapped[datetime]
    people_due_at: Mapped[datetime]
    counted_at: Mapped[datetime | None]
    released_by: Mapped[UUID | None]
    released_at: Mapped[datetime | None]
    authority_told_at: Mapped[datetime | None]
    authority_reference: Mapped[str | None]
    escalated_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class IncidentPerson(Base):
    """Somebody whose data were seen in an incident, and when they were told."""

    __tablename__ = "incident_people"
    __table_args__ = (Index(None, "incident_id", "citizen_id"),)

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    seen: Mapped[list[str]] = mapped_column(ARRAY(Text))
    line_count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    noticed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "fairness_reports": TableKind.LOCAL,
    "incidents": TableKind.LOCAL,
    "incident_people": TableKind.CITIZEN,
}

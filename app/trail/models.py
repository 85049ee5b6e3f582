"""The access trail, filled through `trail_append`, under seals; acts of office; assessments."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class TrailEntry(Base):
    """One act upon a citizen's data: who, what, which fields, why, on what basis."""

    __tablename__ = "trail_entries"
    __table_args__ = (
        Index("ix_trail_entries__created_at", "created_at", postgresql_using="brin"),
        Index(
            "ix_trail_entries__unsealed", "created_at",
            postgresql_where=text("seal_number IS NULL"),
        ),
        Index(
            "ix_trail_entries__seal_number", "seal_number",
            postgresql_where=text("seal_number IS NOT NULL"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    trail_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason: Mapped[str]
    basis: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seal_number: Mapped[int | None]
    line_hash: Mapped[bytes | None]


class TrailAct(Base):
    """An act of office that concerns no single citizen: a step of a scheme, a bulk use."""

    __tablename__ = "trail_acts"
    __table_args__ = (
        Index(None, "subject", "act_id"),
        Index(
            "ix_trail_acts__unsealed", "created_at", postgresql_where=text("seal_number IS NULL")
        ),
        Index(
            "ix_trail_acts__seal_number", "seal_number",
            postgresql_where=text("seal_number IS NOT NULL"),
        ),
    )

    act_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    subject: Mapped[str]
    reason: Mapped[str]
    basis: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seal_number: Mapped[int | None]
    line_hash: Mapped[bytes | None]


class SecurityEvent(Base):
    """What happened to the security of the service; filled through `security_append`."""

    __tablename__ = "security_events"
    __table_args__ = (
        Index(None, "created_at", "event_id"),
        Index(
            "ix_security_events__unsealed", "created_at",
            postgresql_where=text("seal_number IS NULL"),
        ),
        Index(
            "ix_security_events__seal_number", "seal_number",
            postgresql_where=text("seal_number IS NOT NULL"),
        ),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    role: Mapped[str]
    account_id: Mapped[UUID | None]
    subject: Mapped[str]
    account_key: Mapped[bytes | None]
    client_key: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seal_number: Mapped[int | None]
    line_hash: Mapped[bytes | None]


class TrailSeal(Base):
    """A seal over lines of a register (its table's name) and over the seal before."""

    __tablename__ = "trail_seals"
    __table_args__ = (
        Index(
            "ix_trail_seals__full", "register", "last_at",
            postgresql_where=text("emptied_at IS NULL"),
        ),
    )

    register: Mapped[str] = mapped_column(primary_key=True)
    seal_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    reached_at: Mapped[datetime]
    lines_digest: Mapped[bytes]
    previous_digest: Mapped[bytes]
    digest: Mapped[bytes]
    made_at: Mapped[datetime]
    emptied_at: Mapped[datetime | None]


class ImpactAssessment(Base):
    """An assessment of what processing means for people, by the hash of its document."""

    __tablename__ = "impact_assessments"

    assessment_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    concluded_on: Mapped[date]
    document_hash: Mapped[bytes]
    summary: Mapped[str | None]
    covers: Mapped[list[str] | None] = mapped_column(ARRAY(Text()))
    in_force_until_on: Mapped[date | None]
    kept_until_on: Mapped[date]
    registered_by: Mapped[UUID]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UnmaskedView(Base):
    """That a staff account read of somebody in plain; written by `trail_admit_view`.

    `view_id` is made of the account's and the person's id: one person is counted once.
    """

    __tablename__ = "trail_views"
    __table_args__ = (Index(None, "staff_id", "viewed_at"),)

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    view_id: Mapped[UUID] = mapped_column(primary_key=True)
    viewed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class BulkViewingAlarm(Base):
    """A staff account that read more than it may in an hour; stopped until somebody else agrees."""

    __tablename__ = "bulk_viewing_alarms"
    __table_args__ = (
        Index(
            "uq_bulk_viewing_alarms__staff_id", "staff_id", unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
    )

    alarm_id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID]
    view_count: Mapped[int]
    raised_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    released_by: Mapped[UUID | None]
    released_at: Mapped[datetime | None]


TABLE_KINDS = {
    "trail_entries": TableKind.CITIZEN,
    "trail_views": TableKind.LOCAL,
    "bulk_viewing_alarms": TableKind.LOCAL,
    "trail_acts": TableKind.LOCAL,
    "trail_seals": TableKind.LOCAL,
    "security_events": TableKind.LOCAL,
    "impact_assessments": TableKind.REFERENCE,
}

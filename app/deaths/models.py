"""The tables of deaths: arrangements in life, reports, applications of relatives, their papers."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind

STANDING = text("state IN ('reported', 'confirmed')")


class DeathArrangement(Base):
    """What a citizen arranged in life: nobody, or these persons alone; `persons_sealed` is JSON."""

    __tablename__ = "death_arrangements"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    choice: Mapped[str]
    persons_sealed: Mapped[bytes | None]
    arranged_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DeathReport(Base):
    """A death as an operator reported it and a second one confirmed or refused it.

    A confirmed one can be reversed until it has ended: on `final_on`, when no application is open.
    """

    __tablename__ = "death_reports"
    __table_args__ = (
        Index("ix_death_reports__report_id", "report_id"),
        Index("ix_death_reports__state", "state", "final_on", postgresql_where=STANDING),
        Index("uq_death_reports__citizen_id", "citizen_id", unique=True, postgresql_where=STANDING),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    report_id: Mapped[UUID] = mapped_column(primary_key=True)
    died_on_sealed: Mapped[bytes]
    evidence: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'reported'"))
    reported_by: Mapped[UUID]
    reported_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    reversible_until_on: Mapped[date | None]
    final_on: Mapped[date | None]
    ended_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]


class RelativeApplication(Base):
    """What somebody asks for about a person who has died; `relative_sealed` is JSON."""

    __tablename__ = "relative_applications"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "report_id"], ["death_reports.citizen_id", "death_reports.report_id"]
        ),
        Index("ix_relative_applications__application_id", "application_id"),
        Index(
            "ix_relative_applications__state", "state", "application_id",
            postgresql_where=text("state <> 'decided'"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    application_id: Mapped[UUID] = mapped_column(primary_key=True)
    report_id: Mapped[UUID]
    relation: Mapped[str]
    wish: Mapped[str]
    relative_sealed: Mapped[bytes]
    interest_sealed: Mapped[bytes]
    record_type: Mapped[str | None]
    record_number: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    outcome: Mapped[str | None]
    reasons_sealed: Mapped[bytes | None]
    proposed_by: Mapped[UUID | None]
    confirmed_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    copy_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeathPaper(Base):
    """A file beside a report or an application, without its name: names tell of people."""

    __tablename__ = "death_papers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "report_id"], ["death_reports.citizen_id", "death_reports.report_id"]
        ),
        Index(None, "citizen_id", "report_id"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    paper_id: Mapped[UUID] = mapped_column(primary_key=True)
    report_id: Mapped[UUID]
    application_id: Mapped[UUID | None]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    digest_sealed: Mapped[bytes]
    added_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeathPaperPart(Base):
    """A piece of a file, sealed."""

    __tablename__ = "death_paper_parts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "paper_id"], ["death_papers.citizen_id", "death_papers.paper_id"]
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    paper_id: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "death_arrangements": TableKind.CITIZEN,
    "death_reports": TableKind.CITIZEN,
    "relative_applications": TableKind.CITIZEN,
    "death_papers": TableKind.CITIZEN,
    "death_paper_parts": TableKind.CITIZEN,
}

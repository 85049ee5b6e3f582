"""The tables of objections; what people write stands in them sealed under the citizen's key."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind

OPEN = text("state <> 'decided'")


class Objection(Base):
    """One objection; `round` 2 is the second look, by other persons than the first."""

    __tablename__ = "objections"
    __table_args__ = (
        Index("ix_objections__objection_id", "objection_id"),
        Index(
            "ix_objections__decide_due_on", "decide_due_on", "objection_id",
            postgresql_where=OPEN,
        ),
        Index("ix_objections__source_id", "source_id", "objection_id", postgresql_where=OPEN),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    objection_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    record_type: Mapped[str | None]
    record_number: Mapped[str | None]
    record_version: Mapped[int | None]
    indicator: Mapped[str | None]
    item_id: Mapped[UUID | None]
    reason: Mapped[str]
    words_sealed: Mapped[bytes]
    frozen_sealed: Mapped[bytes]
    source_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    round: Mapped[int] = mapped_column(server_default=text("1"))
    filed_on: Mapped[date]
    source_due_on: Mapped[date | None]
    source_is_extended: Mapped[bool] = mapped_column(server_default=false())
    answer: Mapped[str | None]
    answer_sealed: Mapped[bytes | None]
    answered_at: Mapped[datetime | None]
    decide_due_on: Mapped[date]
    proposed_by: Mapped[UUID | None]
    proposal_sealed: Mapped[bytes | None]
    second_look_until: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ObjectionDecision(Base):
    """How a round ended; never changed."""

    __tablename__ = "objection_decisions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "objection_id"], ["objections.citizen_id", "objections.objection_id"]
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    objection_id: Mapped[UUID] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str]
    remedy: Mapped[str | None]
    reasons_sealed: Mapped[bytes]
    decided_by: Mapped[UUID]
    confirmed_by: Mapped[UUID | None]
    void_version: Mapped[int | None]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ObjectionAttachment(Base):
    """A file beside an objection, without its name: names tell of people."""

    __tablename__ = "objection_attachments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "objection_id"], ["objections.citizen_id", "objections.objection_id"]
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    objection_id: Mapped[UUID] = mapped_column(primary_key=True)
    attachment_id: Mapped[UUID] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    digest_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ObjectionAttachmentPart(Base):
    """A piece of a file, sealed."""

    __tablename__ = "objection_attachment_parts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "objection_id", "attachment_id"],
            [
                "objection_attachments.citizen_id", "objection_attachments.objection_id",
                "objection_attachments.attachment_id",
            ],
            name="fk_objection_attachment_parts__attachment",
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    objection_id: Mapped[UUID] = mapped_column(primary_key=True)
    attachment_id: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "objections": TableKind.CITIZEN,
    "objection_decisions": TableKind.CITIZEN,
    "objection_attachments": TableKind.CITIZEN,
    "objection_attachment_parts": TableKind.CITIZEN,
}

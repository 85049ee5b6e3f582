"""Tables of the records room; the SQL stands in migrations 0005, 0014, 0016, 0021 and 0022."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Source(Base):
    """What a source machine may deliver."""

    __tablename__ = "sources"

    source_id: Mapped[UUID] = mapped_column(
        ForeignKey("source_accounts.source_id"), primary_key=True
    )
    unit: Mapped[str]
    record_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deliveries_per_day: Mapped[int] = mapped_column(server_default="1000")
    bytes_per_day: Mapped[int] = mapped_column(server_default="5000000000")
    rows_per_day: Mapped[int] = mapped_column(server_default="20000000")


class SourceDay(Base):
    """What a source delivered in one day of the city."""

    __tablename__ = "source_days"

    source_id: Mapped[UUID] = mapped_column(ForeignKey("sources.source_id"), primary_key=True)
    counted_on: Mapped[date] = mapped_column(primary_key=True)
    delivery_count: Mapped[int]
    byte_count: Mapped[int]
    row_count: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Base):
    """One file and its report; it comes from a source, or, the register, from an operator."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("seq"),
        Index(None, "delivered_on"),
        CheckConstraint(
            "status IN ('waiting', 'running', 'processed', 'refused', 'cancelled', 'failed')",
            name="status",
        ),
        CheckConstraint(
            "(status IN ('waiting', 'running')) = (upload_id IS NOT NULL)", name="upload"
        ),
        CheckConstraint(
            "status NOT IN ('waiting', 'running') OR finished_at IS NULL", name="finished"
        ),
        CheckConstraint("(status = 'refused') = (file_reason IS NOT NULL)", name="file_reason"),
        CheckConstraint("(source_id IS NULL) <> (staff_id IS NULL)", name="one_sender"),
        CheckConstraint(
            "row_count = accepted_count + corrected_count + voided_count + duplicate_count"
            " + superseded_count + dropped_count + refused_count",
            name="sum",
        ),
    )

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    source_id: Mapped[UUID | None] = mapped_column(ForeignKey("sources.source_id"))
    staff_id: Mapped[UUID | None]
    record_type: Mapped[str]
    file_name: Mapped[str]
    sha256: Mapped[bytes]
    size_bytes: Mapped[int]
    encoding: Mapped[str]
    delivered_on: Mapped[date]
    status: Mapped[str]
    file_reason: Mapped[str | None]
    row_count: Mapped[int]
    blank_count: Mapped[int]
    accepted_count: Mapped[int]
    corrected_count: Mapped[int]
    voided_count: Mapped[int]
    duplicate_count: Mapped[int]
    superseded_count: Mapped[int]
    dropped_count: Mapped[int]
    refused_count: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    upload_id: Mapped[UUID | None] = mapped_column(ForeignKey("delivery_uploads.upload_id"))
    found_count: Mapped[int | None]  # rows below the header, once the file was looked through
    taken_row: Mapped[int] = mapped_column(server_default="0")  # the checkpoint
    tries: Mapped[int] = mapped_column(server_default="0")  # since the last checkpoint
    claimed_by: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]  # when somebody asked to stop
    finished_at: Mapped[datetime | None]


class DeliveryUpload(Base):
    """A file that is on its way in; its key is wrapped and belongs to it alone."""

    __tablename__ = "delivery_uploads"

    upload_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapped_key: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeliveryPart(Base):
    """A sealed part of a file."""

    __tablename__ = "delivery_parts"

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("delivery_uploads.upload_id", ondelete="CASCADE"), primary_key=True
    )
    part: Mapped[int] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeliveryRefusal(Base):
    """Where and why a row was refused, nothing of what stood there."""

    __tablename__ = "delivery_refusals"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.delivery_id"), primary_key=True
    )
    row_number: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeliveryReturn(Base):
    """The key of a delivery's refused rows, and the header they stood under."""

    __tablename__ = "delivery_returns"
    __table_args__ = (Index(None, "created_at"),)

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.delivery_id"), primary_key=True
    )
    wrapped_key: Mapped[bytes]
    header_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReturnedRow(Base):
    """A refused row, sealed, until it is mended or forgotten."""

    __tablename__ = "returned_rows"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("delivery_returns.delivery_id", ondelete="CASCADE"), primary_key=True
    )
    row_number: Mapped[int] = mapped_column(primary_key=True)
    cells_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReopenedDay(Base):
    """A day before the last one processed that an operator opened again for a while."""

    __tablename__ = "reopened_days"
    __table_args__ = (Index(None, "delivered_on"),)

    reopening_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivered_on: Mapped[date]
    staff_id: Mapped[UUID]
    reason: Mapped[str]
    closes_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Record(Base):
    """One version of a record; in force from `delivered_on` until `replaced_on`."""

    __tablename__ = "records"
    __table_args__ = (
        Index(None, "delivery_id", "row_number"),
        Index(
            "ix_records__kept_from", text("(coalesce(event_on, delivered_on))")
        ),
        CheckConstraint("version BETWEEN 1 AND 9999", name="version"),
        CheckConstraint("is_void = (event_on IS NULL)", name="event"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    record_type: Mapped[str] = mapped_column(primary_key=True)
    record_number: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    is_void: Mapped[bool]
    event_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    item: Mapped[str | None]
    measures: Mapped[dict[str, Any]]
    details_sealed: Mapped[bytes | None]
    content_digest: Mapped[bytes]
    delivery_id: Mapped[UUID]
    row_number: Mapped[int]
    delivered_on: Mapped[date]
    replaced_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AdverseRecord(Base):
    """Until when an adverse record counts; once ended, whether its receivers have been told."""

    __tablename__ = "adverse_records"
    __table_args__ = (
        Index(
            "ix_adverse_records__ends_on", "ends_on", postgresql_where=text("told_at IS NULL")
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    record_type: Mapped[str] = mapped_column(primary_key=True)
    record_number: Mapped[str] = mapped_column(primary_key=True)
    event_on: Mapped[date]
    ends_on: Mapped[date]
    repaired_on: Mapped[date | None]
    told_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ExpiredRecords(Base):
    """Up to which day records of somebody counted that went at the end of their retention."""

    __tablename__ = "expired_records"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    counted_until_on: Mapped[date]
    record_count: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RecordHolder(Base):
    """Whose record a number is, or was until its retention was over."""

    __tablename__ = "record_holders"
    __table_args__ = (Index(None, "citizen_id"),)

    record_number: Mapped[str] = mapped_column(primary_key=True)
    record_type: Mapped[str] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    expired_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CatalogueProposal(Base):
    """A version of the information catalogue that an operator proposes; one is open at a time."""

    __tablename__ = "catalogue_proposals"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'confirmed', 'withdrawn')", name="state"),
        CheckConstraint(
            "(state = 'open') = (decided_by IS NULL)"
            " AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="decided",
        ),
        CheckConstraint(
            "state <> 'confirmed' OR decided_by <> proposed_by", name="two_persons"
        ),
        Index(
            "uq_catalogue_proposals__open",
            "state",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
    )

    proposal_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[str]
    document: Mapped[str]
    content_hash: Mapped[bytes]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    proposed_by: Mapped[UUID]
    reason: Mapped[str]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CatalogueVersion(Base):
    """A published version of the information catalogue; the one with the last place applies."""

    __tablename__ = "catalogue_versions"
    __table_args__ = (
        UniqueConstraint("place"),
        CheckConstraint("place >= 1 AND (place = 1) = (proposal_id IS NULL)", name="proposal"),
    )

    version: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    document: Mapped[str]
    content_hash: Mapped[bytes]
    proposal_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("catalogue_proposals.proposal_id")
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS: dict[str, TableKind] = {
    "catalogue_versions": TableKind.REFERENCE,
    "catalogue_proposals": TableKind.REFERENCE,
    "sources": TableKind.LOCAL,
    "source_days": TableKind.LOCAL,
    "deliveries": TableKind.LOCAL,
    "delivery_uploads": TableKind.LOCAL,
    "delivery_parts": TableKind.LOCAL,
    "delivery_refusals": TableKind.LOCAL,
    "delivery_returns": TableKind.LOCAL,
    "returned_rows": TableKind.LOCAL,
    "reopened_days": TableKind.LOCAL,
    "records": TableKind.CITIZEN,
    "adverse_records": TableKind.CITIZEN,
    "record_holders": TableKind.LOOKUP,
    "expired_records": TableKind.CITIZEN,
}

"""The tables of transit: operators, accounts, entitlements by time, files, trips, sums."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class TransitOperator(Base):
    """A merchant that runs buses or a metro, its machine, and the benefit of its riders."""

    __tablename__ = "transit_operators"
    __table_args__ = (UniqueConstraint("source_id"),)

    merchant_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchants.merchant_id"), primary_key=True
    )
    source_id: Mapped[UUID]
    benefit_code: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TransitTerms(Base):
    """What is agreed with an operator from a day on; never changed."""

    __tablename__ = "transit_terms"

    merchant_id: Mapped[UUID] = mapped_column(
        ForeignKey("transit_operators.merchant_id"), primary_key=True
    )
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    trips_per_day: Mapped[int]
    subsidy_per_day_fen: Mapped[int]
    complete_within_days: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TransitAccount(Base):
    """A citizen with one operator, under a random id; `filed_*` is what the last file said."""

    __tablename__ = "transit_accounts"
    __table_args__ = (
        Index("ix_transit_accounts__merchant_id", "merchant_id", "citizen_id"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    filed_percent: Mapped[int] = mapped_column(server_default=text("100"))
    filed_from: Mapped[datetime | None]
    filed_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TransitAccountId(Base):
    """From an account's id to whose it is."""

    __tablename__ = "transit_account_ids"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    merchant_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TransitEntitlement(Base):
    """For how long somebody rides for less; everybody's fare has no row."""

    __tablename__ = "transit_entitlements"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "merchant_id"],
            ["transit_accounts.citizen_id", "transit_accounts.merchant_id"],
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    valid_until: Mapped[datetime]
    price_percent: Mapped[int]


class TransitFile(Base):
    """A part of a file for a fare engine; never changed."""

    __tablename__ = "transit_files"
    __table_args__ = (UniqueConstraint("merchant_id", "sequence", "kind", "part"),)

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    sequence: Mapped[int]
    kind: Mapped[str]
    part: Mapped[int]
    is_last: Mapped[bool]
    line_count: Mapped[int]
    made_on: Mapped[date]
    made_at: Mapped[datetime]
    content: Mapped[bytes]


class TransitBatch(Base):
    """A batch of reports and the answer to it."""

    __tablename__ = "transit_batches"

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    answer: Mapped[list[Any]] = mapped_column(server_default="[]")
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class TransitReport(Base):
    """What an operator said of a trip; with a fault of its own it names nobody and no place."""

    __tablename__ = "transit_reports"
    __table_args__ = (
        Index(
            "ix_transit_reports__closes_at", "closes_at",
            postgresql_where=text("fault IS NULL AND settled_on IS NULL"),
        ),
        Index("ix_transit_reports__citizen_id", "citizen_id", "tap_in_on"),
        Index("ix_transit_reports__received_at", "merchant_id", "received_at"),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    trip_id: Mapped[str] = mapped_column(primary_key=True)
    report_digest: Mapped[bytes] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID]
    row_number: Mapped[int]
    fault: Mapped[str | None]
    citizen_id: Mapped[UUID | None]
    code_percent: Mapped[int | None]
    tap_in_at: Mapped[datetime | None]
    tap_in_place: Mapped[str | None]
    tap_out_at: Mapped[datetime | None]
    tap_out_place: Mapped[str | None]
    tap_in_on: Mapped[date | None]
    fare_fen: Mapped[int]
    closes_at: Mapped[datetime | None]
    settled_on: Mapped[date | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class TransitTrip(Base):
    """A trip whose day is settled; no place is kept."""

    __tablename__ = "transit_trips"
    __table_args__ = (Index("ix_transit_trips__accounting_on", "accounting_on"),)

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    trip_id: Mapped[str] = mapped_column(primary_key=True)
    tap_in_at: Mapped[datetime]
    fare_fen: Mapped[int]
    price_percent: Mapped[int]
    discount_fen: Mapped[int]
    subsidy_fen: Mapped[int]
    outcome: Mapped[str]
    accounting_on: Mapped[date]


class TransitDay(Base):
    """Sums of an operator by the day on which its trips became final; they stay."""

    __tablename__ = "transit_days"

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    accounting_on: Mapped[date] = mapped_column(primary_key=True)
    benefit_code: Mapped[str] = mapped_column(primary_key=True)
    trip_count: Mapped[int]
    fare_fen: Mapped[int]
    discount_fen: Mapped[int]
    subsidy_fen: Mapped[int]


TABLE_KINDS = {
    "transit_operators": TableKind.REFERENCE,
    "transit_terms": TableKind.REFERENCE,
    "transit_accounts": TableKind.CITIZEN,
    "transit_account_ids": TableKind.LOOKUP,
    "transit_entitlements": TableKind.CITIZEN,
    "transit_files": TableKind.LOCAL,
    "transit_batches": TableKind.LOCAL,
    "transit_reports": TableKind.LOOKUP,
    "transit_trips": TableKind.CITIZEN,
    "transit_days": TableKind.LOCAL,
}

"""The tables of settlement: nothing here is ever changed, and nobody's person stands in them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Closing(Base):
    """One operator's proposal to close a month, with so many undecided scans carried over."""

    __tablename__ = "settlement_closings"
    __table_args__ = (CheckConstraint("extract(day FROM month_on) = 1", name="month_on"),)

    closing_id: Mapped[UUID] = mapped_column(primary_key=True)
    month_on: Mapped[date]
    carried_over_count: Mapped[int]
    reason: Mapped[str]
    proposed_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Confirmation(Base):
    """Another operator's word; the key allows one for each month."""

    __tablename__ = "settlement_confirmations"

    month_on: Mapped[date] = mapped_column(primary_key=True)
    closing_id: Mapped[UUID] = mapped_column(ForeignKey("settlement_closings.closing_id"))
    confirmed_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ClosedMonth(Base):
    """A month whose sheets are frozen."""

    __tablename__ = "settlement_months"

    month_on: Mapped[date] = mapped_column(primary_key=True)
    sheet_count: Mapped[int]
    closed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Sheet(Base):
    """What a month came to for a merchant: the sums and the digest of its lines."""

    __tablename__ = "settlement_sheets"

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    month_on: Mapped[date] = mapped_column(primary_key=True)
    line_count: Mapped[int]
    amount_points: Mapped[int]
    subsidy_fen: Mapped[int]
    order_fen: Mapped[int]
    owed_fen: Mapped[int]
    digest: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SheetLine(Base):
    """A line of a sheet: uses of one kind that were written down on one day."""

    __tablename__ = "settlement_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "month_on"],
            ["settlement_sheets.merchant_id", "settlement_sheets.month_on"],
        ),
        Index("ix_settlement_lines__booked_on", "booked_on"),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    month_on: Mapped[date] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shop_id: Mapped[UUID | None]
    kind: Mapped[str]
    what: Mapped[str | None]
    version: Mapped[int | None]
    party: Mapped[str | None]
    booked_on: Mapped[date]
    origin_month_on: Mapped[date]
    item_count: Mapped[int]
    amount_points: Mapped[int]
    subsidy_fen: Mapped[int]
    order_fen: Mapped[int]
    owed_fen: Mapped[int]


class SheetAnswer(Base):
    """What a merchant says to its sheet, once: accepted, or objected for a reason."""

    __tablename__ = "settlement_answers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "month_on"],
            ["settlement_sheets.merchant_id", "settlement_sheets.month_on"],
        ),
        CheckConstraint("answer IN ('accepted', 'objected')", name="answer"),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    month_on: Mapped[date] = mapped_column(primary_key=True)
    answer: Mapped[str]
    reason: Mapped[str]
    answered_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Correction(Base):
    """What is owed more (or less) for a closed month; a line of the month in which it is made."""

    __tablename__ = "settlement_corrections"
    __table_args__ = (Index("ix_settlement_corrections__merchant_id", "merchant_id"),)

    correction_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    origin_month_on: Mapped[date]
    amount_fen: Mapped[int]
    reason: Mapped[str]
    corrected_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Reconciliation(Base):
    """How many things of a day in the city fell into a class, the last time it was reconciled."""

    __tablename__ = "settlement_reconciliations"

    day_on: Mapped[date] = mapped_column(primary_key=True)
    comparison: Mapped[str] = mapped_column(primary_key=True)
    class_: Mapped[str] = mapped_column("class", primary_key=True)
    item_count: Mapped[int]
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Mismatch(Base):
    """One thing of a day that one side has and the other has not, or has otherwise."""

    __tablename__ = "settlement_mismatches"
    __table_args__ = (CheckConstraint("unit IN ('points', 'fen', 'items')", name="unit"),)

    day_on: Mapped[date] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    comparison: Mapped[str]
    class_: Mapped[str] = mapped_column("class")
    subject: Mapped[str]
    merchant_id: Mapped[UUID | None]
    unit: Mapped[str]
    our_amount: Mapped[int | None]
    their_amount: Mapped[int | None]
    happened_at: Mapped[datetime]


class Bill(Base):
    """WeChat Pay's bill of a day in the city, once it was fetched."""

    __tablename__ = "settlement_bills"

    bill_on: Mapped[date] = mapped_column(primary_key=True)
    line_count: Mapped[int]
    paid_fen: Mapped[int]
    refunded_fen: Mapped[int]
    fetched_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class BillLine(Base):
    """A payment or a refund on a bill, by the number that its order has at WeChat."""

    __tablename__ = "settlement_bill_lines"
    __table_args__ = (
        CheckConstraint("paid_fen >= 0 AND refunded_fen >= 0", name="amounts"),
        Index("ix_settlement_bill_lines__order_number", "order_number"),
    )

    bill_on: Mapped[date] = mapped_column(
        ForeignKey("settlement_bills.bill_on", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_number: Mapped[str]
    paid_fen: Mapped[int]
    refunded_fen: Mapped[int]


TABLE_KINDS = {
    "settlement_closings": TableKind.LOCAL,
    "settlement_confirmations": TableKind.LOCAL,
    "settlement_months": TableKind.LOCAL,
    "settlement_sheets": TableKind.LOCAL,
    "settlement_lines": TableKind.LOCAL,
    "settlement_answers": TableKind.LOCAL,
    "settlement_corrections": TableKind.LOCAL,
    "settlement_reconciliations": TableKind.LOCAL,
    "settlement_mismatches": TableKind.LOCAL,
    "settlement_bills": TableKind.LOCAL,
    "settlement_bill_lines": TableKind.LOCAL,
}

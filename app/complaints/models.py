"""The tables of complaints about redemptions."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind

_OF_COMPLAINT = ("complaints.citizen_id", "complaints.complaint_id")


class Complaint(Base):
    """What a citizen complains about; the words are sealed under the citizen's key.

    `due_on` is the merchant's last day, None where an operator decides at once: what was used off
    line has no redemption that a merchant could find.  `decide_due_on` is the operator's last day.
    """

    __tablename__ = "complaints"
    __table_args__ = (
        UniqueConstraint(
            "citizen_id", "voucher_id", name="uq_complaints__citizen_id_voucher_id"
        ),
        Index("ix_complaints__complaint_id", "complaint_id"),
        Index("ix_complaints__merchant_id_complaint_id", "merchant_id", "complaint_id"),
        Index("ix_complaints__due_on", "due_on"),
        CheckConstraint("(due_on IS NULL) = (redemption_id IS NULL)", name="due_on"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    complaint_id: Mapped[UUID] = mapped_column(primary_key=True)
    voucher_id: Mapped[UUID]
    redemption_id: Mapped[UUID | None]
    merchant_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    category: Mapped[str]
    text_sealed: Mapped[bytes | None]
    text_shared: Mapped[bool]
    due_on: Mapped[date | None]
    decide_due_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Answer(Base):
    """What the merchant answered."""

    __tablename__ = "complaint_answers"
    __table_args__ = (ForeignKeyConstraint(
        ["citizen_id", "complaint_id"], _OF_COMPLAINT,
        name="fk_complaint_answers__citizen_id_complaint_id",
    ),)

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    complaint_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    answer_sealed: Mapped[bytes]
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Decision(Base):
    """What an operator decided, because the merchant did not answer in time."""

    __tablename__ = "complaint_decisions"
    __table_args__ = (ForeignKeyConstraint(
        ["citizen_id", "complaint_id"], _OF_COMPLAINT,
        name="fk_complaint_decisions__citizen_id_complaint_id",
    ),)

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    complaint_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    outcome: Mapped[str]
    reason_sealed: Mapped[bytes]
    decided_by: Mapped[UUID]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "complaints": TableKind.CITIZEN,
    "complaint_answers": TableKind.CITIZEN,
    "complaint_decisions": TableKind.CITIZEN,
}

"""The tables of guarantee lines and service orders: amounts, states, codes, no health."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class GuaranteeLine(Base):
    """What a guarantor stands for, for whom, and at which merchants; proposed by one operator."""

    __tablename__ = "guarantee_lines"

    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    guarantor_kind: Mapped[str]
    guarantor_code: Mapped[str]
    guarantor_name: Mapped[str]
    merchant_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    tiers: Mapped[dict[str, Any]]
    confirm_above_fen: Mapped[int]
    start_within_seconds: Mapped[int]
    use_within_seconds: Mapped[int]
    claim_within_seconds: Mapped[int] = mapped_column(server_default=text("86400"))
    pay_within_days: Mapped[int]
    collection: Mapped[str]
    benefit_code: Mapped[str | None]
    proposed_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GuaranteeLineDecision(Base):
    """Another operator's word on a proposed line; without it the line does not exist."""

    __tablename__ = "guarantee_line_decisions"

    line_id: Mapped[UUID] = mapped_column(
        ForeignKey("guarantee_lines.line_id"), primary_key=True
    )
    decided_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ServiceOrder(Base):
    """One use of a line; the amounts are what is held, billed, paid by insurance, and owed."""

    __tablename__ = "service_orders"
    __table_args__ = (
        Index(
            "ix_service_orders__deadline_at", "deadline_at",
            postgresql_where=text("deadline_at IS NOT NULL"),
        ),
        Index(
            "ix_service_orders__remind_at", "remind_at",
            postgresql_where=text("remind_at IS NOT NULL"),
        ),
        Index(
            "ix_service_orders__debit_at", "debit_at",
            postgresql_where=text("debit_at IS NOT NULL"),
        ),
        Index(
            "ix_service_orders__ask_at", "ask_at", postgresql_where=text("ask_at IS NOT NULL")
        ),
        Index("ix_service_orders__merchant_id", "merchant_id", "created_at"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("guarantee_lines.line_id"))
    kind: Mapped[str]
    state: Mapped[str]
    merchant_id: Mapped[UUID | None]
    hold_id: Mapped[UUID]
    held_fen: Mapped[int]
    hold_expires_at: Mapped[datetime]
    use_ends_at: Mapped[datetime | None]
    nonce: Mapped[str | None]
    billed_fen: Mapped[int] = mapped_column(server_default=text("0"))
    insured_fen: Mapped[int] = mapped_column(server_default=text("0"))
    owed_fen: Mapped[int] = mapped_column(server_default=text("0"))
    step_count: Mapped[int] = mapped_column(server_default=text("0"))
    deadline_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
    debit_at: Mapped[datetime | None]
    ask_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ServiceOrderStep(Base):
    """What happened to an order, one line an act; the key is the law: one step of each number."""

    __tablename__ = "service_order_steps"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "order_id"], ["service_orders.citizen_id", "service_orders.order_id"]
        ),
        UniqueConstraint("citizen_id", "act_id"),
        Index("ix_service_order_steps__happened_at", "happened_at", postgresql_using="brin"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    act_id: Mapped[UUID]
    request_digest: Mapped[bytes]
    event: Mapped[str]
    state: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    amount_fen: Mapped[int]
    transfer_id: Mapped[UUID | None]
    happened_at: Mapped[datetime]


TABLE_KINDS = {
    "guarantee_lines": TableKind.REFERENCE,
    "guarantee_line_decisions": TableKind.REFERENCE,
    "service_orders": TableKind.CITIZEN,
    "service_order_steps": TableKind.CITIZEN,
}

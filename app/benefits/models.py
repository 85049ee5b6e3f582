"""The tables of the catalogue."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Time, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Benefit(Base):
    """One published version of a benefit; never changed."""

    __tablename__ = "benefits"
    __table_args__ = (UniqueConstraint("code", "version"),)

    benefit_id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    version: Mapped[int]
    name: Mapped[str]
    kind: Mapped[str]
    baseline: Mapped[dict[str, Any]]
    tiers: Mapped[dict[str, Any]]
    price_points: Mapped[int]
    consent_purpose: Mapped[str | None]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    open_from: Mapped[time | None] = mapped_column(Time)
    open_until: Mapped[time | None] = mapped_column(Time)
    claim_limit_count: Mapped[int | None]
    claim_limit_period: Mapped[str | None]
    claim_limits: Mapped[list[Any]] = mapped_column(server_default="[]")
    voucher_life_seconds: Mapped[int]
    annul_window_seconds: Mapped[int]
    slot_seconds: Mapped[int | None]
    slot_capacity: Mapped[int | None]
    slot_days_ahead: Mapped[int | None]
    slot_give_back_seconds: Mapped[int | None]
    stock_limited: Mapped[bool]
    brings_stock: Mapped[bool | None]
    score_steps: Mapped[list[Any]] = mapped_column(server_default="[]")
    honours: Mapped[list[Any]] = mapped_column(server_default="[]")
    subsidy_payer: Mapped[str | None]
    subsidy_fen: Mapped[int] = mapped_column(server_default="0")
    budget_fen: Mapped[int | None]
    confirm_above_fen: Mapped[int | None]
    offline_allowed: Mapped[bool] = mapped_column(server_default="false")
    offline_worth_fen: Mapped[int | None]
    offline_unsent_max: Mapped[int | None]
    stacking_group: Mapped[str | None]
    at_all_merchants: Mapped[bool]
    content_digest: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BenefitMerchant(Base):
    """A merchant that takes a benefit, in every version of it."""

    __tablename__ = "benefit_merchants"
    __table_args__ = (Index("ix_benefit_merchants__merchant_id", "merchant_id"),)

    benefit_code: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchants.merchant_id"), primary_key=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BenefitStock(Base):
    """What is left of a limited benefit, in buckets: pieces, fen of its budget; None: no end."""

    __tablename__ = "benefit_stock"

    benefit_code: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    left_count: Mapped[int | None]
    left_fen: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BenefitSlot(Base):
    """How many places of a slot are taken; a slot that nobody ever claimed has no row."""

    __tablename__ = "benefit_slots"

    benefit_code: Mapped[str] = mapped_column(primary_key=True)
    begins_at: Mapped[datetime] = mapped_column(primary_key=True)
    taken_count: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "benefits": TableKind.REFERENCE,
    "benefit_merchants": TableKind.REFERENCE,
    "benefit_stock": TableKind.LOCAL,
    "benefit_slots": TableKind.LOCAL,
}

"""The tables of merchants, their shops and their staff."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Merchant(Base):
    """An organisation that honours benefits; suspended ones scan nothing."""

    __tablename__ = "merchants"
    __table_args__ = (UniqueConstraint("credit_code"),)

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    credit_code: Mapped[str]
    name: Mapped[str]
    suspended: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Shop(Base):
    """A place where a merchant scans."""

    __tablename__ = "shops"
    __table_args__ = (Index("ix_shops__merchant_id", "merchant_id"),)

    shop_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchants.merchant_id"))
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MerchantStaff(Base):
    """Where a staff account works; without a shop it works in all of them."""

    __tablename__ = "merchant_staff"
    __table_args__ = (Index("ix_merchant_staff__merchant_id", "merchant_id"),)

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchants.merchant_id"))
    shop_id: Mapped[UUID | None] = mapped_column(ForeignKey("shops.shop_id"))
    role: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Device(Base):
    """A device that scans off line; switched off for good when it is lost."""

    __tablename__ = "devices"
    __table_args__ = (
        UniqueConstraint("public_key"), Index("ix_devices__shop_id", "shop_id"),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[UUID] = mapped_column(ForeignKey("shops.shop_id"))
    name: Mapped[str]
    suite: Mapped[int]
    public_key: Mapped[bytes]
    enrolled_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    switched_off_at: Mapped[datetime | None]


class DeviceInvitation(Base):
    """A code that enrols one device, once."""

    __tablename__ = "device_invitations"
    __table_args__ = (UniqueConstraint("device_id"),)

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    device_id: Mapped[UUID]
    shop_id: Mapped[UUID] = mapped_column(ForeignKey("shops.shop_id"))
    name: Mapped[str]
    invited_by: Mapped[UUID]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "merchants": TableKind.REFERENCE,
    "shops": TableKind.REFERENCE,
    "merchant_staff": TableKind.REFERENCE,
    "devices": TableKind.REFERENCE,
    "device_invitations": TableKind.LOCAL,
}

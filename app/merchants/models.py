"""The tables of merchants, their shops and their staff."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
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
    category: Mapped[str | None]
    text_version: Mapped[int | None]
    committed_at: Mapped[datetime | None]


class Shop(Base):
    """A place where a merchant scans."""

    __tablename__ = "shops"
    __table_args__ = (Index("ix_shops__merchant_id", "merchant_id"),)

    shop_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchants.merchant_id"))
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    address: Mapped[str | None]
    latitude_e6: Mapped[int | None]  # millionths of a degree
    longitude_e6: Mapped[int | None]


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


class CommitmentText(Base):
    """A version of the integrity commitment that merchants sign."""

    __tablename__ = "commitment_texts"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    body: Mapped[str]
    text_hash: Mapped[bytes]
    published_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MerchantApplication(Base):
    """An organisation's application; the contact's data are null once nobody needs them."""

    __tablename__ = "merchant_applications"
    __table_args__ = (Index("ix_merchant_applications__created_at", "created_at"),)

    application_id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[bytes]
    credit_code: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    shops: Mapped[list[Any]]
    benefit_codes: Mapped[list[Any]]
    contact_sealed: Mapped[bytes | None]
    text_version: Mapped[int] = mapped_column(ForeignKey("commitment_texts.version"))
    text_hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApplicationProposal(Base):
    """One operator's yes to an application."""

    __tablename__ = "merchant_application_proposals"

    application_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchant_applications.application_id"), primary_key=True
    )
    proposed_by: Mapped[UUID]
    reason: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApplicationDecision(Base):
    """What came of an application."""

    __tablename__ = "merchant_application_decisions"

    application_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchant_applications.application_id"), primary_key=True
    )
    outcome: Mapped[str]
    decided_by: Mapped[UUID]
    reason: Mapped[str]
    approved_merchant_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("merchants.merchant_id")
    )
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffInvitation(Base):
    """A code that opens a staff account; codes of one invitation open one account together."""

    __tablename__ = "merchant_invitations"
    __table_args__ = (Index("ix_merchant_invitations__expires_at", "expires_at"),)

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    invitation_id: Mapped[UUID]
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchants.merchant_id"))
    shop_id: Mapped[UUID | None] = mapped_column(ForeignKey("shops.shop_id"))
    role: Mapped[str]
    display_name: Mapped[str]
    invited_by: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffInvitationUse(Base):
    """The account that an invitation opened; its key says: one."""

    __tablename__ = "merchant_invitation_uses"

    invitation_id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID]
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Suspension(Base):
    """Why and since when a merchant may not scan."""

    __tablename__ = "merchant_suspensions"
    __table_args__ = (Index("ix_merchant_suspensions__merchant_id", "merchant_id"),)

    suspension_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchants.merchant_id"))
    reason: Mapped[str]
    suspended_by: Mapped[UUID]
    suspended_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SuspensionEnding(Base):
    """The end of a suspension: proposed by one operator, in force when another confirms."""

    __tablename__ = "merchant_suspension_endings"

    suspension_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchant_suspensions.suspension_id"), primary_key=True
    )
    proposed_by: Mapped[UUID]
    reason: Mapped[str]
    confirmed_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]


class Entry(Base):
    """An honour, licence or penalty of an organisation, and when it may be shown."""

    __tablename__ = "merchant_entries"
    __table_args__ = (Index("ix_merchant_entries__merchant_id", "merchant_id"),)

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchants.merchant_id"))
    kind: Mapped[str]
    grade: Mapped[str | None]
    title: Mapped[str]
    document_number: Mapped[str]
    authority: Mapped[str]
    legal_basis: Mapped[str]
    issued_on: Mapped[date]
    published_from: Mapped[date]
    published_to: Mapped[date]
    proposed_by: Mapped[UUID]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EntryConfirmation(Base):
    """Another operator's yes to an entry."""

    __tablename__ = "merchant_entry_confirmations"

    entry_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchant_entries.entry_id"), primary_key=True
    )
    confirmed_by: Mapped[UUID]
    confirmed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EntryEnding(Base):
    """Why an entry is shown no longer, before its last day."""

    __tablename__ = "merchant_entry_endings"

    entry_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchant_entries.entry_id"), primary_key=True
    )
    cause: Mapped[str]
    reason: Mapped[str]
    ended_by: Mapped[UUID]
    ended_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "merchants": TableKind.REFERENCE,
    "shops": TableKind.REFERENCE,
    "merchant_staff": TableKind.REFERENCE,
    "devices": TableKind.REFERENCE,
    "device_invitations": TableKind.LOCAL,
    "commitment_texts": TableKind.REFERENCE,
    "merchant_applications": TableKind.LOCAL,
    "merchant_application_proposals": TableKind.LOCAL,
    "merchant_application_decisions": TableKind.LOCAL,
    "merchant_invitations": TableKind.LOCAL,
    "merchant_invitation_uses": TableKind.LOCAL,
    "merchant_suspensions": TableKind.LOCAL,
    "merchant_entries": TableKind.LOCAL,
    "merchant_entry_confirmations": TableKind.LOCAL,
    "merchant_entry_endings": TableKind.LOCAL,
    "merchant_suspension_endings": TableKind.LOCAL,
}

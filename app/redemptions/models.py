"""The tables of vouchers, redemptions and what happened at the counter."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class VoucherWallet(Base):
    """The one row that everything about a citizen's vouchers locks first."""

    __tablename__ = "voucher_wallets"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Voucher(Base):
    """A claimed benefit, as it was promised at the claim."""

    __tablename__ = "vouchers"
    __table_args__ = (Index("ix_vouchers__expires_at", "expires_at"),)

    citizen_id: Mapped[UUID] = mapped_column(
        ForeignKey("voucher_wallets.citizen_id"), primary_key=True
    )
    voucher_id: Mapped[UUID] = mapped_column(primary_key=True)
    benefit_id: Mapped[UUID] = mapped_column(ForeignKey("benefits.benefit_id"))
    benefit_code: Mapped[str]
    benefit_version: Mapped[int]
    value: Mapped[dict[str, Any]]
    price_points: Mapped[int]
    hold_id: Mapped[UUID | None]
    stock_taken: Mapped[bool]
    claimed_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class VoucherClaim(Base):
    """The answer to a voucher_id; a refusal sticks to its id."""

    __tablename__ = "voucher_claims"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    refusal_code: Mapped[str | None]
    details: Mapped[dict[str, Any] | None]
    answer: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class VoucherEnding(Base):
    """How a voucher ended: redeemed, expired or given_back; the primary key allows one."""

    __tablename__ = "voucher_endings"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    ended_at: Mapped[datetime]


class Redemption(Base):
    """A voucher that was taken; never changed."""

    __tablename__ = "redemptions"
    __table_args__ = (
        Index("ix_redemptions__shop_id_redeemed_at", "shop_id", "redeemed_at"),
        Index("ix_redemptions__redeemed_at", "redeemed_at", postgresql_using="brin"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(primary_key=True)
    redemption_id: Mapped[UUID]
    clerk_id: Mapped[UUID]
    merchant_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    benefit_code: Mapped[str]
    price_points: Mapped[int]
    transfer_id: Mapped[UUID | None]
    redeemed_at: Mapped[datetime]


class RedemptionAttempt(Base):
    """The answer to a redemption_id of a caller, refused scans too."""

    __tablename__ = "redemption_attempts"
    __table_args__ = (
        Index(
            "ix_redemption_attempts__attempted_at", "attempted_at",
            postgresql_where=text("answer IS NULL"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    caller_id: Mapped[UUID] = mapped_column(primary_key=True)
    redemption_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    code_kind: Mapped[str]
    shop_id: Mapped[UUID]
    voucher_id: Mapped[UUID | None]
    refusal_code: Mapped[str | None]
    details: Mapped[dict[str, Any] | None]
    answer: Mapped[str | None]
    attempted_at: Mapped[datetime]


class Annulment(Base):
    """A redemption taken back within its window."""

    __tablename__ = "annulments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "voucher_id"], ["redemptions.citizen_id", "redemptions.voucher_id"]
        ),
        Index("ix_annulments__annulled_at", "annulled_at", postgresql_using="brin"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(primary_key=True)
    annulment_id: Mapped[UUID]
    clerk_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    transfer_id: Mapped[UUID | None]
    annulled_at: Mapped[datetime]
    answer: Mapped[str]


class CodePresentation(Base):
    """A pass code or reference that was shown; its key burns it.

    `shown_again_at`: when its owner was told that a pass code was shown a second time.
    """

    __tablename__ = "code_presentations"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    code_digest: Mapped[bytes] = mapped_column(primary_key=True)
    clerk_id: Mapped[UUID]
    redemption_id: Mapped[UUID | None]
    presented_at: Mapped[datetime]
    shown_again_at: Mapped[datetime | None]


class VoucherManualCode(Base):
    """From the keyed hash of a typed code to its voucher."""

    __tablename__ = "voucher_manual_codes"

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    voucher_id: Mapped[UUID]
    tries_left: Mapped[int]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UnreadableScan(Base):
    """A scan that stands for nobody: a keyed hash by clerk and shop, never the text."""

    __tablename__ = "unreadable_scans"
    __table_args__ = (
        Index("ix_unreadable_scans__clerk_id_scanned_at", "clerk_id", "scanned_at"),
        Index("ix_unreadable_scans__scanned_at", "scanned_at"),
    )

    scan_id: Mapped[UUID] = mapped_column(primary_key=True)
    clerk_id: Mapped[UUID]
    session_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    reason: Mapped[str]
    code_digest: Mapped[bytes]
    scanned_at: Mapped[datetime]


class OfflineIssue(Base):
    """A signed offline code: nothing is signed without its row here."""

    __tablename__ = "offline_issues"
    __table_args__ = (
        Index("ix_offline_issues__citizen_id_voucher_id", "citizen_id", "voucher_id"),
        Index("ix_offline_issues__expires_at", "expires_at"),
    )

    code_digest: Mapped[bytes] = mapped_column(primary_key=True)
    reference: Mapped[UUID]
    citizen_id: Mapped[UUID]
    voucher_id: Mapped[UUID]
    benefit_code: Mapped[str]
    kid: Mapped[bytes]
    slot: Mapped[int]
    payload: Mapped[bytes]
    not_before_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OfflineKeyList(Base):
    """A list of keys that the offline root signed; the newest version is in force."""

    __tablename__ = "offline_key_lists"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root_suite: Mapped[int]
    root_public: Mapped[bytes]
    envelope: Mapped[bytes]
    published_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OfflineRetiredKey(Base):
    """A key whose codes no scanner takes any more, from its next sync on."""

    __tablename__ = "offline_retired_keys"

    kid: Mapped[bytes] = mapped_column(primary_key=True)
    reason: Mapped[str]
    retired_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OfflineDenyList(Base):
    """What scanners must not take, as of a moment; a few of the newest are kept."""

    __tablename__ = "offline_deny_lists"

    issued_at: Mapped[datetime] = mapped_column(primary_key=True)
    envelope: Mapped[bytes]
    live_count: Mapped[int]
    denied_count: Mapped[int]


class OfflineScan(Base):
    """A scan that a device uploaded, in its own words; never changed."""

    __tablename__ = "offline_scans"
    __table_args__ = (
        Index("ix_offline_scans__device_id_sequence", "device_id", "sequence"),
        Index("ix_offline_scans__citizen_id_voucher_id", "citizen_id", "voucher_id"),
        Index("ix_offline_scans__merchant_id_scanned_at", "merchant_id", "scanned_at"),
        Index("ix_offline_scans__received_at", "received_at", postgresql_using="brin"),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    scan_id: Mapped[bytes] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    previous_id: Mapped[bytes]
    scanned_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    merchant_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    code_digest: Mapped[bytes | None]
    citizen_id: Mapped[UUID | None]
    voucher_id: Mapped[UUID | None]
    benefit_code: Mapped[str | None]
    fault: Mapped[str | None]
    record: Mapped[bytes]


class OfflineDecision(Base):
    """What an operator said about a scan that does not count by itself; never changed."""

    __tablename__ = "offline_decisions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["device_id", "scan_id"], ["offline_scans.device_id", "offline_scans.scan_id"]
        ),
    )

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    scan_id: Mapped[bytes] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    reason_code: Mapped[str]
    decided_by: Mapped[UUID]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OfflineHead(Base):
    """How far a device said it had counted."""

    __tablename__ = "offline_heads"

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_sequence: Mapped[int]
    heard_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


TABLE_KINDS = {
    "voucher_wallets": TableKind.CITIZEN,
    "vouchers": TableKind.CITIZEN,
    "voucher_claims": TableKind.CITIZEN,
    "voucher_endings": TableKind.CITIZEN,
    "redemptions": TableKind.CITIZEN,
    "redemption_attempts": TableKind.CITIZEN,
    "annulments": TableKind.CITIZEN,
    "code_presentations": TableKind.CITIZEN,
    "voucher_manual_codes": TableKind.LOOKUP,
    "unreadable_scans": TableKind.LOCAL,
    "offline_issues": TableKind.LOOKUP,
    "offline_key_lists": TableKind.REFERENCE,
    "offline_retired_keys": TableKind.REFERENCE,
    "offline_deny_lists": TableKind.LOCAL,
    "offline_scans": TableKind.LOOKUP,
    "offline_heads": TableKind.LOCAL,
    "offline_decisions": TableKind.LOOKUP,
}

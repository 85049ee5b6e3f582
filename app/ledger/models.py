"""The ledger's tables, for reading: only the SQL functions of migration 0004 write them.

Units are the smallest unit of the account's asset: one point, one fen.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Account(Base):
    """One balance of a subject: points, or fen for a purpose.  Opened at first use."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "account_id"),
        UniqueConstraint("citizen_id", "subject_id", "asset", "purpose"),
        CheckConstraint(
            "balance_units - held_units >= -credit_line_units"
            " AND held_units >= 0 AND credit_line_units >= 0",
            name="balance",
        ),
    )

    citizen_id: Mapped[UUID]
    account_id: Mapped[UUID]
    subject_id: Mapped[UUID]
    asset: Mapped[str]
    purpose: Mapped[str]
    credit_line_units: Mapped[int] = mapped_column(server_default=text("0"))
    balance_units: Mapped[int] = mapped_column(server_default=text("0"))
    held_units: Mapped[int] = mapped_column(server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    head_hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Transfer(Base):
    """One request and its answer, for ever.  A refused one has no entries."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "transfer_id"),
        CheckConstraint(
            "(outcome = 'accepted') = (refusal_code IS NULL)"
            " AND amount_units >= 0 AND shortfall_units >= 0",
            name="outcome",
        ),
        Index(
            "uq_ledger_transfers__citizen_id_hold_id",
            "citizen_id",
            "hold_id",
            unique=True,
            postgresql_where=text("hold_id IS NOT NULL AND outcome = 'accepted'"),
        ),
        Index(
            "uq_ledger_transfers__citizen_id_reverses_id",
            "citizen_id",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL AND outcome = 'accepted'"),
        ),
    )

    citizen_id: Mapped[UUID]
    transfer_id: Mapped[UUID]
    kind: Mapped[str]
    outcome: Mapped[str]
    refusal_code: Mapped[str | None]
    asset: Mapped[str | None]
    from_account_id: Mapped[UUID | None]
    to_account_id: Mapped[UUID | None]
    amount_units: Mapped[int]
    shortfall_units: Mapped[int]
    effective_on: Mapped[date]
    reason: Mapped[str | None]
    hold_id: Mapped[UUID | None]
    reverses_id: Mapped[UUID | None]
    lot_expires_on: Mapped[date | None]
    hold_expires_at: Mapped[datetime | None]
    balance_after_units: Mapped[int | None]
    held_after_units: Mapped[int | None]
    fingerprint: Mapped[bytes]
    hash: Mapped[bytes]
    created_at: Mapped[datetime]


class Entry(Base):
    """One side of a transfer; the programme's side has no running balance."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "transfer_id", "account_id"),
        CheckConstraint("amount_units <> 0", name="amount"),
        Index(
            "uq_ledger_entries__citizen_id_account_id_account_version",
            "citizen_id",
            "account_id",
            "account_version",
            unique=True,
            postgresql_where=text("account_version IS NOT NULL"),
        ),
    )

    citizen_id: Mapped[UUID]
    transfer_id: Mapped[UUID]
    account_id: Mapped[UUID]
    amount_units: Mapped[int]
    effective_on: Mapped[date]
    balance_after_units: Mapped[int | None]
    account_version: Mapped[int | None]
    previous_hash: Mapped[bytes | None]
    hash: Mapped[bytes | None]
    created_at: Mapped[datetime]


class Lot(Base):
    """What is left of one grant, and until when; its id is the grant's."""

    __tablename__ = "ledger_lots"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "lot_id"),
        CheckConstraint(
            "remaining_units BETWEEN held_units AND granted_units AND held_units >= 0",
            name="remaining",
        ),
        Index(
            "ix_ledger_lots__citizen_id_account_id_expires_on",
            "citizen_id",
            "account_id",
            "expires_on",
            "granted_version",
            postgresql_where=text("is_open"),
        ),
        Index("ix_ledger_lots__expires_on", "expires_on", postgresql_where=text("is_open")),
    )

    citizen_id: Mapped[UUID]
    lot_id: Mapped[UUID]
    account_id: Mapped[UUID]
    granted_units: Mapped[int]
    granted_version: Mapped[int]
    effective_on: Mapped[date]
    expires_on: Mapped[date]
    remaining_units: Mapped[int]
    held_units: Mapped[int]
    is_open: Mapped[bool] = mapped_column(Computed("remaining_units > 0", persisted=True))


class LotMovement(Base):
    """What a transfer took from a lot (negative) or gave back to it."""

    __tablename__ = "ledger_lot_movements"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "transfer_id", "lot_id"),
        CheckConstraint("amount_units <> 0", name="amount"),
    )

    citizen_id: Mapped[UUID]
    transfer_id: Mapped[UUID]
    lot_id: Mapped[UUID]
    amount_units: Mapped[int]
    effective_on: Mapped[date]


class HoldLot(Base):
    """What a hold set aside in a lot when it was placed."""

    __tablename__ = "ledger_hold_lots"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "hold_id", "lot_id"),
        CheckConstraint("amount_units > 0", name="amount"),
    )

    citizen_id: Mapped[UUID]
    hold_id: Mapped[UUID]
    lot_id: Mapped[UUID]
    amount_units: Mapped[int]


class OpenHold(Base):
    """A hold that has not ended; the row goes when it does."""

    __tablename__ = "ledger_open_holds"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "hold_id"),
        Index("ix_ledger_open_holds__expires_at", "expires_at"),
    )

    citizen_id: Mapped[UUID]
    hold_id: Mapped[UUID]
    account_id: Mapped[UUID]
    amount_units: Mapped[int]
    expires_at: Mapped[datetime]


class Anchor(Base):
    """One published value over every account's chain up to a day."""

    __tablename__ = "ledger_anchors"
    __table_args__ = (UniqueConstraint("anchored_on"),)

    anchor_id: Mapped[UUID] = mapped_column(primary_key=True)
    anchored_on: Mapped[date]
    previous_digest: Mapped[bytes]
    digest: Mapped[bytes]
    head_count: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class AnchoredHead(Base):
    """The head of an account as an anchor found it."""

    __tablename__ = "ledger_anchored_heads"
    __table_args__ = (
        PrimaryKeyConstraint("citizen_id", "account_id", "account_version"),
        Index("ix_ledger_anchored_heads__anchor_id", "anchor_id"),
    )

    citizen_id: Mapped[UUID]
    account_id: Mapped[UUID]
    account_version: Mapped[int]
    anchor_id: Mapped[UUID]
    head_hash: Mapped[bytes]


TABLE_KINDS: dict[str, TableKind] = {
    "ledger_accounts": TableKind.CITIZEN,
    "ledger_transfers": TableKind.CITIZEN,
    "ledger_entries": TableKind.CITIZEN,
    "ledger_lots": TableKind.CITIZEN,
    "ledger_lot_movements": TableKind.CITIZEN,
    "ledger_hold_lots": TableKind.CITIZEN,
    "ledger_open_holds": TableKind.CITIZEN,
    "ledger_anchored_heads": TableKind.CITIZEN,
    "ledger_anchors": TableKind.LOCAL,
}

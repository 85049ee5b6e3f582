"""Who has left, and how far the erasure is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Leaving(Base):
    """One departure.  It is journaled outside of the database before anything is erased.

    `permission_ended_at`: nobody may debit the person through WeChat Pay any more.
    `reduced_at`: what is not needed to settle open orders is gone.  `erased_at`: the key too.
    """

    __tablename__ = "leavings"
    __table_args__ = (
        Index("ix_leavings__left_at", "left_at", postgresql_where=text("erased_at IS NULL")),
        Index(
            "ix_leavings__permission", "left_at",
            postgresql_where=text("permission_ended_at IS NULL"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    leaving_id: Mapped[UUID]
    channel: Mapped[str]
    left_at: Mapped[datetime]
    erase_by_at: Mapped[datetime]
    journaled_at: Mapped[datetime | None]
    permission_ended_at: Mapped[datetime | None]
    reduced_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


class JournalEnd(Base):
    """The last line of the deletion journal up to which everybody has a leaving here; one row."""

    __tablename__ = "journal_ends"

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    number: Mapped[int]
    digest: Mapped[str]
    end_bytes: Mapped[int]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LeavingReceipt(Base):
    """From the number on a receipt to whose it is."""

    __tablename__ = "leaving_receipts"

    leaving_id: Mapped[UUID] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PersonalCopy(Base):
    """A copy that a citizen asked for: made by a job, taken once, gone within a day.

    `secret_hash` is of what opens it, told once; the content is sealed under the citizen's key.
    """

    __tablename__ = "personal_copies"
    __table_args__ = (
        Index(
            "ix_personal_copies__expires_at", "expires_at",
            postgresql_where=text("content_sealed IS NOT NULL"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    copy_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_beyond_free: Mapped[bool]
    secret_hash: Mapped[bytes]
    content_sealed: Mapped[bytes | None]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    made_at: Mapped[datetime | None]
    taken_at: Mapped[datetime | None]


class CopyHandle(Base):
    """From the number of a copy to whose it is."""

    __tablename__ = "personal_copy_handles"
    __table_args__ = (Index("ix_personal_copy_handles__citizen_id", "citizen_id"),)

    copy_id: Mapped[UUID] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "leavings": TableKind.CITIZEN,
    "journal_ends": TableKind.LOCAL,
    "leaving_receipts": TableKind.LOOKUP,
    "personal_copies": TableKind.CITIZEN,
    "personal_copy_handles": TableKind.LOOKUP,
}

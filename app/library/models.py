"""The tables of libraries: machines that ask, and waived deposits.  No titles, no names."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind

_LIVE = text("returned_at IS NULL")


class LibraryMachine(Base):
    """A self-service machine that asks over SIP2; suspended ones learn nothing."""

    __tablename__ = "library_machines"
    __table_args__ = (
        Index("ix_library_machines__merchant_id", "merchant_id", "created_at"),
    )

    machine_id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[UUID] = mapped_column(ForeignKey("shops.shop_id"))
    merchant_id: Mapped[UUID]
    name: Mapped[str]
    encoding: Mapped[str]
    secret_hash: Mapped[bytes]
    suspended: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LibraryWaiver(Base):
    """A deposit that a library does not ask for, until the waiver is returned."""

    __tablename__ = "library_waivers"
    __table_args__ = (
        UniqueConstraint("citizen_id", "reference_digest"),
        Index(
            "uq_library_waivers__live", "citizen_id", "merchant_id", "kind", unique=True,
            postgresql_where=_LIVE,
        ),
        Index(
            "ix_library_waivers__live", "merchant_id", "registered_at", postgresql_where=_LIVE
        ),
        Index("ix_library_waivers__reader_hash", "reader_hash", postgresql_where=_LIVE),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    waiver_id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    kind: Mapped[str]
    reader_hash: Mapped[bytes]
    reference_digest: Mapped[bytes]
    registered_by: Mapped[UUID]
    registered_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    returned_by: Mapped[UUID | None]
    returned_at: Mapped[datetime | None]


TABLE_KINDS = {
    "library_machines": TableKind.REFERENCE,
    "library_waivers": TableKind.CITIZEN,
}

"""The tables of households and of the villages that people choose."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Village(Base):
    """A village or residential community: a public unit, nobody's data."""

    __tablename__ = "villages"
    __table_args__ = (CheckConstraint("village_code ~ '^[0-9a-z-]{1,40}$'", name="village_code"),)

    village_code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class VillageResident(Base):
    """The village that a citizen has chosen; a household's is its head's."""

    __tablename__ = "village_residents"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    village_code: Mapped[str] = mapped_column(ForeignKey("villages.village_code"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HouseholdSeat(Base):
    """An adult in the household of a head; the head's own seat names the head itself.

    It stands beside the consent and goes with it; who lived with whom before is not kept.
    """

    __tablename__ = "household_seats"
    __table_args__ = (Index(None, "head_id"),)

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    head_id: Mapped[UUID]
    since_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HouseholdInvitation(Base):
    """A head's invitation of one adult, who is not known before joining; of the code a hash."""

    __tablename__ = "household_invitations"
    __table_args__ = (
        CheckConstraint("octet_length(secret_digest) = 32", name="secret_digest"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "villages": TableKind.REFERENCE,
    "village_residents": TableKind.CITIZEN,
    "household_seats": TableKind.CITIZEN,
    "household_invitations": TableKind.CITIZEN,
}

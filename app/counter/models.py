"""Paper cards, the index of their numbers, and the checks that they begin at counters."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class PaperCard(Base):
    """A printed card; the number is sealed under its holder's key, one card at a time is good."""

    __tablename__ = "paper_cards"
    __table_args__ = (
        Index(
            "uq_paper_cards__citizen_id", "citizen_id", unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    card_id: Mapped[UUID] = mapped_column(primary_key=True)
    number_sealed: Mapped[bytes]
    issued_by: Mapped[UUID]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]


class PaperCardNumber(Base):
    """Whose card a number is, by a keyed hash of the number."""

    __tablename__ = "paper_card_numbers"
    __table_args__ = (Index(None, "citizen_id"),)

    number_hash: Mapped[bytes] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    card_id: Mapped[UUID]
    key_id: Mapped[int | None]  # of the ring; null: from before it was written down


class CardCheck(Base):
    """A check that a scanned card began: whom it waits for, and what it opened.

    `way` is `pin` (a message to the holder's phone) or `document` (a clerk looks at the identity
    card).
    """

    __tablename__ = "card_checks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "card_id"], ["paper_cards.citizen_id", "paper_cards.card_id"]
        ),
        Index(None, "citizen_id", "started_at"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    check_id: Mapped[UUID] = mapped_column(primary_key=True)
    card_id: Mapped[UUID]
    merchant_id: Mapped[UUID]
    shop_id: Mapped[UUID]
    clerk_id: Mapped[UUID]
    way: Mapped[str]
    pin_hash: Mapped[bytes | None]
    tries_left: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    passed_at: Mapped[datetime | None]
    session_id: Mapped[UUID | None]


class CounterVisit(Base):
    """A visit at which an operator acts for a holder; by `document` there is no PIN."""

    __tablename__ = "counter_visits"
    __table_args__ = (
        Index("ix_counter_visits__visit_id", "visit_id"),
        Index(None, "citizen_id", "started_at"),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    way: Mapped[str]
    reason: Mapped[str]
    pin_hash: Mapped[bytes | None]
    tries_left: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    passed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


TABLE_KINDS = {
    "paper_cards": TableKind.CITIZEN,
    "paper_card_numbers": TableKind.LOOKUP,
    "card_checks": TableKind.CITIZEN,
    "counter_visits": TableKind.CITIZEN,
}

"""Which messages WeChat has been given."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class WeChatMessage(Base):
    """One outbox message on its way to WeChat: sending, sent, refused or unreachable."""

    __tablename__ = "wechat_messages"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'sending'"))
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PayScoreNumber(Base):
    """Whose order a number at WeChat Pay stands for."""

    __tablename__ = "pay_score_numbers"
    __table_args__ = (Index("ix_pay_score_numbers__citizen_id", "citizen_id"),)

    out_order_no: Mapped[str] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    order_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PayScoreNoticeTaken(Base):
    """A notice of WeChat Pay that was taken: once."""

    __tablename__ = "pay_score_notices"
    __table_args__ = (Index("ix_pay_score_notices__taken_at", "taken_at"),)

    notice_id: Mapped[str] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "wechat_messages": TableKind.CITIZEN,
    "pay_score_numbers": TableKind.LOOKUP,
    "pay_score_notices": TableKind.LOOKUP,
}

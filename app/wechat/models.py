"""Which messages WeChat has been given."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
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


TABLE_KINDS = {"wechat_messages": TableKind.CITIZEN}

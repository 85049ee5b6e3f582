"""The tables of webhooks: endpoints of merchants, what was sent to them, and each attempt."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class WebhookEndpoint(Base):
    """A place where a merchant's own program listens.

    `free_at` is when the next delivery may begin: ahead while one is on its way (the lease), and
    after failures (the rest).  `disabled_reason` is null while it is enabled.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index(
            "ix_webhook_endpoints__free_at", "free_at",
            postgresql_where=text("disabled_reason IS NULL"),
        ),
    )

    merchant_id: Mapped[UUID] = mapped_column(
        ForeignKey("merchants.merchant_id"), primary_key=True
    )
    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    secret_sealed: Mapped[bytes]
    old_secret_sealed: Mapped[bytes | None]
    old_secret_until: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    failing_since_at: Mapped[datetime | None]
    failure_count: Mapped[int] = mapped_column(server_default=text("0"))
    free_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WebhookDelivery(Base):
    """One event on its way to one endpoint: waiting, delivered or dead.

    `attempt_count` counts all attempts, `try_count` those since it was last asked for.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "endpoint_id"],
            ["webhook_endpoints.merchant_id", "webhook_endpoints.endpoint_id"],
            ondelete="CASCADE",
        ),
        Index(
            "ix_webhook_deliveries__merchant_id_endpoint_id_next_at",
            "merchant_id", "endpoint_id", "next_at",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_webhook_deliveries__created_at", "created_at"),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_type: Mapped[str]
    body: Mapped[str]
    request_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    attempt_count: Mapped[int] = mapped_column(server_default=text("0"))
    try_count: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class WebhookAttempt(Base):
    """One attempt; without a status and an error it is on its way, or its worker died."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "endpoint_id", "event_id"],
            [
                "webhook_deliveries.merchant_id", "webhook_deliveries.endpoint_id",
                "webhook_deliveries.event_id",
            ],
            ondelete="CASCADE",
        ),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    status: Mapped[int | None]
    error: Mapped[str | None]
    duration_ms: Mapped[int | None]


TABLE_KINDS = {
    "webhook_endpoints": TableKind.LOCAL,
    "webhook_deliveries": TableKind.LOCAL,
    "webhook_attempts": TableKind.LOCAL,
}

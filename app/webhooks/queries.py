"""Reading webhooks: a merchant's own endpoints and their log, and gauges without merchants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.kernel.database import reading
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

NOTICES = {
    "gone": "接收方答复410（已不存在），推送已停用。",
    "failing": "该地址连续多日推送失败，已自动停用，请检查后重新启用。",
}
"""Why an endpoint was disabled without its owner, in words for the owner."""

_STATE = text("""
    SELECT
        coalesce(extract(epoch FROM clock_timestamp() - (
            SELECT min(d.next_at) FROM webhook_deliveries d
            JOIN webhook_endpoints e USING (merchant_id, endpoint_id)
            WHERE d.state = 'waiting' AND d.next_at <= clock_timestamp()
                AND e.disabled_reason IS NULL
        )), 0) AS webhooks_oldest_due_seconds,
        (SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting') AS webhooks_waiting,
        (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead') AS webhooks_dead,
        (SELECT count(*) FROM webhook_endpoints WHERE disabled_reason IN ('gone', 'failing'))
            AS webhook_endpoints_given_up
""")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as its owner sees it; `notice` is a line in Chinese when it was given up."""

    endpoint_id: UUID
    url: str
    event_types: tuple[str, ...]
    enabled: bool
    disabled_reason: str | None
    notice: str | None
    failing_since_at: datetime | None
    old_secret_until: datetime | None
    waiting_count: int
    dead_count: int
    created_at: datetime


@dataclass(frozen=True)
class Attempt:
    """One attempt: the status of the answer, or a short word for why none came, or neither yet."""

    number: int
    started_at: datetime
    status: int | None
    error: str | None
    duration_ms: int | None


@dataclass(frozen=True)
class Delivery:
    """One event for one endpoint, and every attempt to deliver it."""

    event_id: UUID
    event_type: str
    state: str
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    attempts: tuple[Attempt, ...]


def find_endpoint(*, merchant_id: UUID, endpoint_id: UUID) -> Endpoint | None:
    """An endpoint of a merchant."""
    with reading() as session:
        row = session.get(WebhookEndpoint, (merchant_id, endpoint_id))
        return None if row is None else _endpoint(session, row)


def list_endpoints(*, merchant_id: UUID) -> list[Endpoint]:
    """The endpoints of a merchant, the oldest first."""
    query = (
        select(WebhookEndpoint)
        .where(WebhookEndpoint.merchant_id == merchant_id)
        .order_by(WebhookEndpoint.created_at, WebhookEndpoint.endpoint_id)
    )
    with reading() as session:
        return [_endpoint(session, row) for row in session.scalars(query)]


def find_delivery(*, merchant_id: UUID, endpoint_id: UUID, event_id: UUID) -> Delivery | None:
    """A delivery of a merchant's endpoint."""
    with reading() as session:
        row = session.get(WebhookDelivery, (merchant_id, endpoint_id, event_id))
        return None if row is None else _deliveries(session, [row])[0]


def list_deliveries(
    *,
    merchant_id: UUID,
    endpoint_id: UUID,
    limit: int,
    state: str | None = None,
    before: datetime | None = None,
) -> list[Delivery]:
    """The log of a merchant's endpoint, the latest first."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.merchant_id == merchant_id, WebhookDelivery.endpoint_id == endpoint_id
    )
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    if before is not None:
        query = query.where(WebhookDelivery.created_at < before)
    query = query.order_by(WebhookDelivery.created_at.desc()).limit(limit)
    with reading() as session:
        return _deliveries(session, list(session.scalars(query)))


def webhook_state() -> dict[str, float]:
    """Gauges: the lateness of the oldest due delivery, how many wait, how many are given up."""
    with reading() as session:
        row = session.execute(_STATE).mappings().one()
    return {name: float(value) for name, value in row.items()}


def _endpoint(session: Session, row: WebhookEndpoint) -> Endpoint:
    counted = (
        select(WebhookDelivery.state, func.count())
        .where(
            WebhookDelivery.merchant_id == row.merchant_id,
            WebhookDelivery.endpoint_id == row.endpoint_id,
        )
        .group_by(WebhookDelivery.state)
    )
    counts = {row.state: int(row[1]) for row in session.execute(counted)}
    return Endpoint(
        endpoint_id=row.endpoint_id, url=row.url, event_types=tuple(row.event_types),
        enabled=row.disabled_reason is None, disabled_reason=row.disabled_reason,
        notice=NOTICES.get(row.disabled_reason or ""), failing_since_at=row.failing_since_at,
        old_secret_until=row.old_secret_until, waiting_count=counts.get("waiting", 0),
        dead_count=counts.get("dead", 0), created_at=row.created_at,
    )


def _deliveries(session: Session, rows: list[WebhookDelivery]) -> list[Delivery]:
    if not rows:
        return []
    query = (
        select(WebhookAttempt)
        .where(
            WebhookAttempt.merchant_id == rows[0].merchant_id,
            WebhookAttempt.endpoint_id == rows[0].endpoint_id,
            WebhookAttempt.event_id.in_([row.event_id for row in rows]),
        )
        .order_by(WebhookAttempt.number)
    )
    made: dict[UUID, list[Attempt]] = {row.event_id: [] for row in rows}
    for one in session.scalars(query):
        made[one.event_id].append(
            Attempt(one.number, one.started_at, one.status, one.error, one.duration_ms)
        )
    return [
        Delivery(
            event_id=row.event_id, event_type=row.event_type, state=row.state,
            created_at=row.created_at, settled_at=row.settled_at,
            next_at=row.next_at if row.state == "waiting" else None,
            attempts=tuple(made[row.event_id]),
        )
        for row in rows
    ]

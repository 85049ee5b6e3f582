"""What is to be delivered: events for every endpoint that wants them, tests, and repetitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import any_, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.kernel.context import request_id
from app.kernel.database import reading, transaction, transaction_required
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.webhooks import refusals
from app.webhooks.events import TEST_TYPE, MerchantEvent, read_event
from app.webhooks.models import WebhookDelivery, WebhookEndpoint
from app.webhooks.operations import own_merchant, take_endpoint
from app.webhooks.queries import Delivery, find_delivery, find_endpoint, list_deliveries
from app.webhooks.retries import KEPT

REDELIVERED_MAX: Final = 1_000  # at one go

_KEY = (WebhookDelivery.merchant_id, WebhookDelivery.endpoint_id, WebhookDelivery.event_id)
_AGAIN = {
    "state": "waiting", "try_count": 0, "next_at": func.clock_timestamp(), "settled_at": None
}


@dataclass(frozen=True)
class Redelivered:
    """How many dead deliveries wait again, and whether there are more."""

    count: int
    has_more: bool


def spread(message: Message) -> None:
    """For the worker: a delivery for each enabled endpoint that wants the message's event.

    The same message again adds nothing.
    """
    event = read_event(message)
    if event is None:
        return
    wanted = select(WebhookEndpoint.endpoint_id).where(
        WebhookEndpoint.merchant_id == event.merchant_id,
        WebhookEndpoint.disabled_reason.is_(None),
        literal(event.event_type) == any_(WebhookEndpoint.event_types),
    )
    with transaction() as session:
        for endpoint_id in session.scalars(wanted).all():
            _add(event, endpoint_id)


def send_test(*, owner_id: UUID, endpoint_id: UUID) -> Delivery:
    """Let a test event go to an endpoint; what came of it stands in the endpoint's log.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`, `webhook_endpoint_disabled`.
    """
    with transaction() as session:
        held = _take_enabled(owner_id, endpoint_id)
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        event = MerchantEvent(
            event_id=new_id(), merchant_id=held.merchant_id, event_type=TEST_TYPE,
            happened_at=moment.isoformat(), data={}, request_id=request_id.get(),
        )
        _add(event, endpoint_id)
        return _delivery(held, event.event_id)


def list_own_deliveries(
    *,
    owner_id: UUID,
    endpoint_id: UUID,
    limit: int,
    state: str | None = None,
    before: datetime | None = None,
) -> list[Delivery]:
    """The log of an endpoint, the latest first.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`.
    """
    with reading():
        merchant_id = own_merchant(owner_id)
        if find_endpoint(merchant_id=merchant_id, endpoint_id=endpoint_id) is None:
            raise refusals.WebhookEndpointUnknown
        return list_deliveries(
            merchant_id=merchant_id, endpoint_id=endpoint_id, limit=limit, state=state,
            before=before,
        )


def redeliver(*, owner_id: UUID, endpoint_id: UUID, event_id: UUID) -> Delivery:
    """Deliver one event again, under its id, with all its tries; one that waits goes at once.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`, `webhook_endpoint_disabled`,
    `webhook_delivery_unknown`.
    """
    with transaction() as session:
        held = _take_enabled(owner_id, endpoint_id)
        key = (held.merchant_id, endpoint_id, event_id)
        again = (
            update(WebhookDelivery)
            .where(tuple_(*_KEY) == key)
            .values(_AGAIN)
            .returning(WebhookDelivery.event_id)
        )
        if session.scalar(again) is None:
            raise refusals.WebhookDeliveryUnknown
        return _delivery(held, event_id)


def redeliver_dead(*, owner_id: UUID, endpoint_id: UUID, since: datetime) -> Redelivered:
    """Deliver again what was given up since a time, the oldest first, REDELIVERED_MAX at most.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`, `webhook_endpoint_disabled`.
    """
    with transaction() as session:
        held = _take_enabled(owner_id, endpoint_id)
        dead = (
            select(WebhookDelivery.event_id)
            .where(
                WebhookDelivery.merchant_id == held.merchant_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.state == "dead",
                WebhookDelivery.created_at >= since,
            )
            .order_by(WebhookDelivery.created_at)
            .limit(REDELIVERED_MAX + 1)
        )
        found = list(session.scalars(dead))
        session.execute(
            update(WebhookDelivery)
            .where(
                WebhookDelivery.merchant_id == held.merchant_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.event_id.in_(found[:REDELIVERED_MAX]),
            )
            .values(_AGAIN)
            .execution_options(synchronize_session=False)
        )
        return Redelivered(min(len(found), REDELIVERED_MAX), len(found) > REDELIVERED_MAX)


def prune_deliveries(*, limit: int) -> int:
    """For the job: forget up to `limit` deliveries older than KEPT, whatever became of them."""
    old = (
        select(*_KEY)
        .where(WebhookDelivery.created_at < func.now() - KEPT)
        .order_by(WebhookDelivery.created_at)
        .limit(limit)
    )
    with transaction() as session:
        keys = [tuple(row) for row in session.execute(old)]
        session.execute(
            delete(WebhookDelivery)
            .where(tuple_(*_KEY).in_(keys))
            .execution_options(synchronize_session=False)
        )
    return len(keys)


def _add(event: MerchantEvent, endpoint_id: UUID) -> None:
    line = {
        "merchant_id": event.merchant_id, "endpoint_id": endpoint_id, "event_id": event.event_id,
        "event_type": event.event_type, "body": event.body, "request_id": event.request_id,
    }
    transaction_required().execute(
        insert(WebhookDelivery).values(line).on_conflict_do_nothing()
    )


def _take_enabled(owner_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    held = take_endpoint(owner_id=owner_id, endpoint_id=endpoint_id)
    if held.disabled_reason is not None:
        raise refusals.WebhookEndpointDisabled
    return held


def _delivery(held: WebhookEndpoint, event_id: UUID) -> Delivery:
    transaction_required().expire_all()
    found = find_delivery(
        merchant_id=held.merchant_id, endpoint_id=held.endpoint_id, event_id=event_id
    )
    assert found is not None, "its endpoint is locked"
    return found

"""Sending what is due: one delivery at a time to each endpoint, many endpoints side by side.

An endpoint is leased in one statement together with its oldest due delivery, and the attempt is
written down before it is made; so two workers never send the same one, and what a worker that was
killed had begun is sent again, under the same id, when its lease is over.  Threads only speak to
the network; all of the database is done by one, with no transaction open while something is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text

from app.kernel.database import durable, transaction
from app.kernel.keys import KeyProvider
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.webhooks.retries import DISABLED_AFTER, LEASE, rest_after, wait_after
from app.webhooks.sending import Outcome, Parcel, Sender
from app.webhooks.signing import open_secret, signed_headers

log = logging.getLogger(__name__)

SIDE_BY_SIDE: Final = 32  # endpoints that one worker serves at once
LOOK_SECONDS: Final = 0.5  # between looks for what became due while something is on its way
GONE: Final = 410

# What is locked is looked at again as it stands then: `free_at` of the endpoint, state and time of
# the delivery.
TAKE: Final = """
    WITH free AS (
        SELECT e.merchant_id, e.endpoint_id FROM webhook_endpoints e
        WHERE e.disabled_reason IS NULL AND e.free_at <= clock_timestamp() AND EXISTS (
            SELECT FROM webhook_deliveries d
            WHERE d.merchant_id = e.merchant_id AND d.endpoint_id = e.endpoint_id
                AND d.state = 'waiting' AND d.next_at <= clock_timestamp())
        ORDER BY e.free_at LIMIT :most
        FOR NO KEY UPDATE OF e SKIP LOCKED
    ), leased AS (
        UPDATE webhook_endpoints e SET free_at = clock_timestamp() + :lease
        FROM free WHERE (e.merchant_id, e.endpoint_id) = (free.merchant_id, free.endpoint_id)
        RETURNING e.*
    ), begun AS (
        UPDATE webhook_deliveries d
        SET attempt_count = d.attempt_count + 1, try_count = d.try_count + 1
        FROM leased l, LATERAL (
            SELECT o.event_id FROM webhook_deliveries o
            WHERE o.merchant_id = l.merchant_id AND o.endpoint_id = l.endpoint_id
                AND o.state = 'waiting' AND o.next_at <= clock_timestamp()
            ORDER BY o.next_at LIMIT 1) oldest
        WHERE d.merchant_id = l.merchant_id AND d.endpoint_id = l.endpoint_id
            AND d.event_id = oldest.event_id
            AND d.state = 'waiting' AND d.next_at <= clock_timestamp()
        RETURNING d.merchant_id, d.endpoint_id, d.event_id, d.attempt_count, d.body, d.request_id,
            l.url, l.secret_sealed,
            CASE WHEN l.old_secret_until > clock_timestamp() THEN l.old_secret_sealed END AS old
    ), written AS (
        INSERT INTO webhook_attempts (merchant_id, endpoint_id, event_id, number)
        SELECT merchant_id, endpoint_id, event_id, attempt_count FROM begun
    )
    SELECT begun.*, extract(epoch FROM clock_timestamp())::bigint AS sent_at_seconds FROM begun
"""


@dataclass(frozen=True)
class Begun:
    """An attempt that was written down and is to be made now."""

    merchant_id: UUID
    endpoint_id: UUID
    event_id: UUID
    number: int
    parcel: Parcel = field(repr=False)


def send_due(
    *,
    sender: Sender,
    keys: KeyProvider,
    must_stop: Callable[[], bool],
    side_by_side: int = SIDE_BY_SIDE,
) -> int:
    """For the job: send until nothing is due or the worker stops; how many attempts were made.

    While one endpoint keeps its caller waiting, the others are looked after.
    """
    made = 0
    flying: dict[Future[Outcome], Begun] = {}
    with ThreadPoolExecutor(side_by_side, thread_name_prefix="webhooks") as threads:
        while True:
            if not must_stop():
                for one in begin_due(keys=keys, most=side_by_side - len(flying)):
                    durable()
                    flying[threads.submit(sender.send, one.parcel)] = one
            if not flying:
                return made
            done, _ = wait(flying, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                note(flying.pop(future), future.result())
                made += 1


def begin_due(*, keys: KeyProvider, most: int) -> list[Begun]:
    """Lease up to `most` free endpoints and begin an attempt for each."""
    if most <= 0:
        return []
    with transaction() as session:
        rows = session.execute(text(TAKE), {"most": most, "lease": LEASE}).all()
    return [
        Begun(
            row.merchant_id, row.endpoint_id, row.event_id, row.attempt_count,
            _parcel(
                keys, row.endpoint_id, row.event_id, url=row.url, body=row.body.encode(),
                sealed=[one for one in (row.secret_sealed, row.old) if one is not None],
                sent_at_seconds=row.sent_at_seconds, request_id=row.request_id,
            ),
        )
        for row in rows
    ]


def note(begun: Begun, outcome: Outcome) -> None:
    """Write down what came of an attempt, and what follows from it.

    An attempt whose lease went to another worker changes nothing but its own line, unless it was
    the one that arrived.
    """
    key = (begun.merchant_id, begun.endpoint_id, begun.event_id)
    with transaction() as session:
        endpoint = session.get(WebhookEndpoint, key[:2], with_for_update=True)
        delivery = session.get(WebhookDelivery, key, with_for_update=True)
        if endpoint is None or delivery is None:
            return  # removed by its owner
        attempt = session.get_one(WebhookAttempt, (*key, begun.number))
        attempt.status, attempt.error = outcome.status, outcome.error
        attempt.duration_ms = outcome.duration_ms
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        if outcome.is_success:
            _succeed(endpoint, delivery, moment)
        elif delivery.attempt_count == begun.number:
            _fail(endpoint, delivery, moment, outcome)
    log.info(
        "webhook sent",
        extra={
            "event_id": str(begun.event_id), "attempt": begun.number, "status": outcome.status,
            "error": outcome.error, "duration_ms": outcome.duration_ms,
        },
    )


def _succeed(endpoint: WebhookEndpoint, delivery: WebhookDelivery, moment: datetime) -> None:
    delivery.state, delivery.settled_at = "delivered", moment
    endpoint.failing_since_at, endpoint.failure_count = None, 0
    endpoint.free_at = moment


def _fail(
    endpoint: WebhookEndpoint, delivery: WebhookDelivery, moment: datetime, outcome: Outcome
) -> None:
    endpoint.failure_count += 1
    endpoint.failing_since_at = endpoint.failing_since_at or moment
    endpoint.free_at = moment + rest_after(endpoint.failure_count)
    pause = wait_after(delivery.try_count)
    if pause is None or outcome.status == GONE:
        delivery.state, delivery.settled_at = "dead", moment
    else:
        delivery.next_at = moment + pause
    if endpoint.disabled_reason is not None:
        return
    if outcome.status == GONE:
        _give_up(endpoint, "gone")
    elif moment - endpoint.failing_since_at >= DISABLED_AFTER:
        _give_up(endpoint, "failing")


def _give_up(endpoint: WebhookEndpoint, reason: str) -> None:
    endpoint.disabled_reason = reason
    log.warning(
        "webhook endpoint disabled",
        extra={"endpoint_id": str(endpoint.endpoint_id), "reason": reason},
    )


def _parcel(
    keys: KeyProvider,
    endpoint_id: UUID,
    event_id: UUID,
    *,
    url: str,
    body: bytes,
    sealed: list[bytes],
    sent_at_seconds: int,
    request_id: str | None,
) -> Parcel:
    headers = signed_headers(
        secrets_in_force=[open_secret(keys, one, endpoint_id=endpoint_id) for one in sealed],
        message_id=str(event_id), sent_at_seconds=sent_at_seconds, body=body,
    )
    headers |= {"content-type": "application/json", "user-agent": "integrity-card-webhooks"}
    if request_id is not None:
        headers["x-request-id"] = request_id
    return Parcel(url, headers, body)

"""An owner whose program listens on this machine, and the worker that sends to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.kernel import jobs
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.webhooks.addresses import Guard
from app.webhooks.deliveries import spread
from app.webhooks.dispatch import send_due
from app.webhooks.events import EventType
from app.webhooks.sending import Sender, SendLimits
from tests.redemptions.builders import API, Clerk, keys_of, make_clerk
from tests.redemptions.offline_town import owner_headers

ENDPOINTS = f"{API}/merchant/webhook-endpoints"
EVERYTHING = [one.value for one in EventType]
QUICK = SendLimits(read_seconds=2, total_seconds=3)
DEVELOPMENT = Sender(Guard(loopback_allowed=True), limits=QUICK)

_PASSING = (
    text("""
    UPDATE webhook_endpoints SET free_at = free_at - CAST(:by AS interval),
        failing_since_at = failing_since_at - CAST(:by AS interval),
        old_secret_until = old_secret_until - CAST(:by AS interval)
    """),
    text("""
    UPDATE webhook_deliveries SET next_at = next_at - CAST(:by AS interval),
        created_at = created_at - CAST(:by AS interval)
    """),
)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of an owner, and its secret."""

    endpoint_id: UUID
    secret: str
    path: str


@dataclass(frozen=True)
class Owner:
    """An owner who is signed in, a clerk of the same merchant, and the platform's worker."""

    app: Flask
    worker: Flask
    client: FlaskClient
    clerk: Clerk
    headers: Mapping[str, str]

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> TestResponse:
        return self.client.open(
            path, method=method, json=body, headers=self.headers, query_string=query
        )

    def done(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.ask(method, path, body, **query)
        assert answer.status_code in {200, 201}, answer.get_json()
        return answer.get_json()

    def register(self, url: str, **more: Any) -> TestResponse:
        body = {"endpoint_id": str(new_id()), "url": url, "event_types": EVERYTHING, **more}
        return self.ask("POST", ENDPOINTS, body)

    def endpoint(self, url: str, **more: Any) -> Endpoint:
        answer = self.register(url, **more)
        assert answer.status_code == 201, answer.get_json()
        made = answer.get_json()
        endpoint_id = made["endpoint"]["endpoint_id"]
        return Endpoint(UUID(endpoint_id), made["secret"], f"{ENDPOINTS}/{endpoint_id}")

    def seen(self, endpoint: Endpoint) -> dict[str, Any]:
        """The endpoint in the owner's list."""
        listed = self.done("GET", ENDPOINTS)["endpoints"]
        found: dict[str, Any] = next(
            one for one in listed if one["endpoint_id"] == str(endpoint.endpoint_id)
        )
        return found

    def log(self, endpoint: Endpoint, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.done(
            "GET", f"{endpoint.path}/deliveries", None, **query
        )["deliveries"]
        return found

    def happens(self, topic: str = "merchant_suspension", **payload: Any) -> UUID:
        """Something that this merchant is told, as the worker hears of it; its id."""
        message = Message(new_id(), new_id(), topic, {
            "merchant_id": str(self.clerk.merchant_id), "suspended": True,
            "changed_at": "2026-11-29T14:00:00+00:00", **payload,
        })  # fmt: skip
        with self.worker.app_context():
            spread(message)
        return message.message_id

    def send(self, sender: Sender = DEVELOPMENT) -> int:
        """Send what is due, as the job does; how many attempts."""
        with self.worker.app_context():
            return send_due(sender=sender, keys=keys_of(self.app), must_stop=lambda: False)

    def hand_over(self, *topics: str) -> list[Message]:
        """Give what waits in the outbox to its handlers; the messages of these topics."""
        with self.worker.app_context():
            with transaction() as session:
                rows = session.execute(text("SELECT * FROM outbox_take(100)")).all()
            messages = [
                Message(row.citizen_id, row.message_id, row.topic, row.payload)
                for row in rows if row.topic in topics
            ]
            for message in messages:
                jobs._handlers[message.topic](message)  # noqa: SLF001 -- as the worker does
        return messages

    def pass_time(self, interval: str) -> None:
        """Let the times of all webhooks lie so much longer back."""
        with self.app.app_context(), transaction() as session:
            for statement in _PASSING:
                session.execute(statement, {"by": interval})


def make_owner(app: Flask, worker: Flask) -> Owner:
    """An owner of a new merchant."""
    return owner_of(app, worker, make_clerk(app))


def owner_of(app: Flask, worker: Flask, clerk: Clerk) -> Owner:
    """An owner of the clerk's merchant."""
    return Owner(app, worker, app.test_client(), clerk, owner_headers(app, clerk))

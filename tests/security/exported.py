"""What leaves the house without being meant to tell of a person: public pages, files, webhooks."""

from __future__ import annotations

import io
import zipfile
from typing import Final

import psycopg
from flask import Flask

from app.kernel.clock import city_today
from app.kernel.database import reading
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.web.auth import Role
from app.webhooks.deliveries import spread
from app.webhooks.dispatch import send_due
from app.webhooks.events import TOPICS
from tests.contract.real_requests import caller_of, request_for
from tests.contract.world import World
from tests.house.routes import Route, as_openapi
from tests.house.snapshots import matrix
from tests.redemptions.builders import API, keys_of
from tests.webhooks.receiver import receiving
from tests.webhooks.shop import DEVELOPMENT, ENDPOINTS, EVERYTHING
from wechat_integration.sandbox.control import SandboxControl

FILES: Final = (".csv", ".xlsx", ".jws", "/export")
# A source gets its own refused rows back, to mend them.
TELLING: Final = {
    f"{API}/deliveries/<uuid:delivery_id>/refusals{form}" for form in (".csv", ".xlsx")
}
PAPERS_OF_TODAY: Final = tuple(f"{API}/settlement/statement{form}" for form in ("", *FILES[:2]))
WAITING: Final = "SELECT citizen_id, message_id, topic, payload FROM outbox"
OTHERS: Final = "DELETE FROM webhook_deliveries WHERE endpoint_id <> %s"  # they are nowhere


def is_export(route: Route) -> bool:
    """A page that everybody reads, or a file that somebody takes away."""
    is_public = route.method == "GET" and route.roles == ("public",)
    return (is_public or route.rule.endswith(FILES)) and route.rule not in TELLING


def bodies_of_exports(world: World, sandbox: SandboxControl) -> dict[str, bytes]:
    """What each of them answers; a workbook is unpacked."""
    found = {}
    with world.app.app_context(), reading() as session:
        today = city_today(session).isoformat()
    for route in [one for one in matrix() if is_export(one)]:
        real = request_for(world, sandbox, route)
        query = real.query | ({"on": today} if route.rule in PAPERS_OF_TODAY else {})
        answer = world.client.open(
            as_openapi(route.rule).format(**real.path), method=route.method, query_string=query,
            headers=caller_of(world, route), json=real.body,
        )
        assert answer.status_code == 200, (route, answer.text)
        found[f"{route.method} {route.rule}"] = unpacked(answer.data)
    return found


def unpacked(body: bytes) -> bytes:
    if not body.startswith(b"PK"):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        return b"\n".join(parts.read(name) for name in parts.namelist())


def bodies_of_webhooks(world: World, worker: Flask, admin_url: str) -> list[bytes]:
    """What a merchant's own program is told of everything that waits in the outbox."""
    owner = world.ours.callers[Role.MERCHANT_OWNER].headers
    with receiving() as server:
        body = {"endpoint_id": str(new_id()), "url": server.url, "event_types": EVERYTHING}
        made = world.client.post(ENDPOINTS, json=body, headers=owner)
        assert made.status_code == 201, made.text
        with worker.app_context(), psycopg.connect(admin_url, autocommit=True) as admin:
            for citizen_id, message_id, topic, payload in admin.execute(WAITING).fetchall():
                if topic in TOPICS:
                    spread(Message(citizen_id, message_id, topic, payload))
            admin.execute(OTHERS, [body["endpoint_id"]])
            while send_due(sender=DEVELOPMENT, keys=keys_of(world.app), must_stop=lambda: False):
                pass
        return [one.body for one in server.received]

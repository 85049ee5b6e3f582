"""The database stops or becomes slow: the service says so, and is there again with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask

from app.kernel.database import NETWORK_TIMEOUTS, db
from demo.servers import Database, Postgres
from tests.conftest import environment, migrate, sandbox_environment
from tests.faults.city import (
    City,
    Ticket,
    application,
    findings,
    found_city,
    own_postgres,
    redeem_body,
    wait_until,
)
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.serving import Served, serving
from tests.members.api import bearer
from wechat_integration.sandbox.control import SandboxControl
from wechat_integration.sandbox.server import SandboxServer

CALLERS = 24  # six times the threads of the service
NOTICED_SECONDS_MAX = 10
SLOW_SECONDS = 0.25  # in each direction


@dataclass(frozen=True)
class Place:
    """A service on a database of its own, reached over a proxy."""

    postgres: Postgres
    proxy: Proxy
    served: Served
    app: Flask
    city: City
    variables: dict[str, str]
    redis_url: str

    def redeem(self, ticket: Ticket, body: bytes | None = None) -> httpx.Response:
        clerk = self.city.clerks[0]
        headers = {**clerk.headers, "Content-Type": "application/json"}
        content = body or redeem_body(clerk, ticket.code)
        return self.served.client.post("/api/v1/redemptions", content=content, headers=headers)

    def calls(self) -> list[httpx.Response]:
        """What citizens and clerks ask for: over the hot path and over the pool's other one."""
        holder = self.city.holders[0]
        me = bearer(holder.access_token)
        client = self.served.client
        return [
            client.get("/api/v1/me/balance", headers=me),
            client.get("/api/v1/me", headers=me),
            client.post("/api/v1/me/pass-code", headers=me),
            client.get("/api/v1/me/vouchers", headers=me),
            client.get("/api/v1/benefits"),
        ]


def socket_of(url: str) -> str:
    """The path of the socket on which an embedded server listens."""
    return parse_qs(urlsplit(url).query)["host"][0] + "/.s.PGSQL.5432"


@pytest.fixture
def place(
    tmp_path: Path,
    servers: dict[str, Any],
    sandbox_server: SandboxServer,
    sandbox: SandboxControl,
    redis_url: str,
) -> Iterator[Place]:
    keys_file = Path(servers["keys_file"])
    extra = {"REDIS_URL": redis_url, **sandbox_environment(sandbox_server)}
    with ExitStack() as opened:
        postgres = opened.enter_context(own_postgres())
        database = postgres.create_database("card")
        migrate(database, keys_file)
        proxy = opened.enter_context(proxy_to(socket_of(postgres.admin_url)))
        behind = Database("card", f"postgresql://postgres@127.0.0.1:{proxy.port}/card", None)
        app = opened.enter_context(
            application(environment(database, keys_file, **extra), redis_url=redis_url)
        )
        city = found_city(app, sandbox, holders=4, tickets=12, clerks=1)
        variables = {**os.environ, **environment(behind, keys_file, **extra)}
        served = opened.enter_context(serving(variables, tmp_path))
        yield Place(postgres, proxy, served, app, city, variables, redis_url)


def test_without_the_database_the_service_says_so_and_comes_back(place: Place) -> None:
    served, ticket = place.served, place.city.tickets()[0]
    assert [answer.status_code for answer in place.calls()] == [200] * 5
    wait_until(lambda: served.status("/readyz") == 200, "readiness")
    workers = served.workers()
    body = redeem_body(place.city.clerks[0], ticket.code)

    place.postgres.crash()
    for answer in [place.redeem(ticket, body), *place.calls()] * 2:
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "busy"
        assert int(answer.headers["Retry-After"]) >= 1
    wait_until(lambda: served.status("/readyz") == 503, "the end of readiness", 10)
    assert served.client.get("/readyz").json()["code"] == "not_ready"
    assert served.status("/livez") == 200

    place.postgres.start_again()
    wait_until(lambda: served.status("/readyz") == 200, "readiness", 10)
    wait_until(lambda: place.redeem(ticket, body).status_code == 200, "a redemption", 5)
    wait_until(lambda: {one.status_code for one in place.calls()} == {200}, "everything else", 5)
    assert served.workers() == workers
    assert findings(place.app) == []


def test_a_slow_database_makes_nothing_wrong_and_leaves_nothing_behind(place: Place) -> None:
    tickets = place.city.tickets()
    assert place.redeem(tickets[0]).status_code == 200
    place.proxy.delay_seconds = SLOW_SECONDS
    with ThreadPoolExecutor(CALLERS) as pool:
        slow = list(pool.map(place.redeem, tickets[1 : 1 + CALLERS]))
    assert set(statuses(slow)) <= {200, 503}
    assert all("Retry-After" in one.headers for one in slow if one.status_code == 503)

    place.proxy.delay_seconds = 0.0
    with ThreadPoolExecutor(CALLERS) as pool:
        again = list(pool.map(place.redeem, tickets[1 + CALLERS :]))
    assert statuses(again) == {200: len(tickets) - 1 - CALLERS}
    assert place.served.status("/readyz") == 200
    assert findings(place.app) == []


def test_a_server_that_is_gone_without_a_word_is_noticed(place: Place) -> None:
    with application(place.variables, redis_url=place.redis_url) as app, app.app_context():
        connection: Any = db.engine.raw_connection().driver_connection
        said = {name: int(value) for name, value in connection.info.get_parameters().items()
                if name in NETWORK_TIMEOUTS}
    assert set(said) == set(NETWORK_TIMEOUTS)
    silence = said["keepalives_idle"] + said["keepalives_interval"] * said["keepalives_count"]
    assert max(silence, said["tcp_user_timeout"] / 1000) <= NOTICED_SECONDS_MAX


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)

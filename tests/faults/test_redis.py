"""Redis refuses, hangs or forgets everything: what matters goes on, and does not wait for it."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from flask import Flask

from demo.servers import Database, free_port, start_redis
from tests.conftest import Sized, environment, sandbox_environment
from tests.faults.city import City, Holder, counted, findings, found_city, redeem_body
from tests.faults.proxy import Fault, Proxy, proxy_to
from tests.faults.serving import Served, serving
from tests.members.api import bearer, claims_of
from wechat_integration.sandbox.control import SandboxControl
from wechat_integration.sandbox.server import SandboxServer

pytestmark = pytest.mark.timeout(3600)  # for the full size

# A probe after 1, 2, 4, … 32 seconds, each on one new connection, whatever the number of requests.
PROBES_MAX = 12
SIGN_INS_PER_MINUTE = 60
SOURCE_SIGN_IN = {"credential_id": "0190b6a8-0000-7000-8000-000000000000", "secret": "x"}


@dataclass(frozen=True)
class OwnRedis:
    """A Redis for one test, behind a proxy."""

    proxy: Proxy
    direct_url: str

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}/0"


@dataclass(frozen=True)
class Place:
    """Where a service can be started on that Redis, and the application behind it."""

    app: Flask
    sandbox: SandboxControl
    redis: OwnRedis
    variables: dict[str, str]
    directory: Path

    def city(self, **size: int) -> City:
        return found_city(self.app, self.sandbox, **size)

    def serving(self) -> AbstractContextManager[Served]:
        return serving({**self.variables, "REDIS_URL": self.redis.url}, self.directory)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    port = free_port()
    process = start_redis(port=port, directory=tmp_path)
    try:
        with proxy_to(("127.0.0.1", port)) as proxy:
            yield OwnRedis(proxy, f"redis://127.0.0.1:{port}/0")
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def variables(
    test_database: Database, servers: dict[str, Any], sandbox_server: SandboxServer
) -> dict[str, str]:
    keys_file = Path(servers["keys_file"])
    made = environment(test_database, keys_file, **sandbox_environment(sandbox_server))
    return {**os.environ, **made}


@pytest.fixture
def place(
    committing_app: Flask,
    sandbox: SandboxControl,
    own_redis: OwnRedis,
    variables: dict[str, str],
    tmp_path: Path,
) -> Place:
    return Place(committing_app, sandbox, own_redis, variables, tmp_path)


def work(served: Served, city: City, holders: list[Holder]) -> list[httpx.Response]:
    """Everybody looks at the balance, renews the tokens, and has the vouchers redeemed."""
    clerks = itertools.cycle(city.clerks)

    def visit(holder: Holder) -> list[httpx.Response]:
        me = bearer(holder.access_token)
        answers = [
            served.client.get("/api/v1/me/balance", headers=me),
            served.client.post("/api/v1/tokens/refresh", headers=bearer(holder.refresh_token)),
        ]
        for ticket in holder.tickets:
            clerk = next(clerks)
            headers = {**clerk.headers, "Content-Type": "application/json"}
            body = redeem_body(clerk, ticket.code)
            answers.append(served.client.post("/api/v1/redemptions", content=body, headers=headers))
            answers.append(served.client.get("/api/v1/me/balance", headers=me))
        return answers

    with ThreadPoolExecutor(4) as pool:
        return list(itertools.chain.from_iterable(pool.map(visit, holders)))


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.HANG])
def test_what_matters_goes_on_and_does_not_wait(
    place: Place, admin: psycopg.Connection[Any], sized: Sized, fault: Fault
) -> None:
    people, proxy = sized(ci=40, full=400), place.redis.proxy
    city = place.city(holders=people + 2, tickets=3, clerks=4)
    well, sick = city.holders[:2], city.holders[2:]
    with place.serving() as served:
        assert served.client.get("/readyz").json()["status"] == "ready"
        assert statuses(work(served, city, well)) == {200: 16}
        before = proxy.connections
        assert before >= 1  # the limits are counted there

        proxy.fault = fault
        answers = work(served, city, sick)
        assert statuses(answers) == {200: people * 8}
        assert proxy.connections - before <= PROBES_MAX
        assert counted(admin, "SELECT count(*) FROM redemptions") == len(city.tickets())
        for holder in city.holders:
            balance = served.client.get("/api/v1/me/balance", headers=bearer(holder.access_token))
            assert balance.json()["balance_points"] == 0
        assert findings(place.app) == []

        sign_outs_end_sessions_at_once(served, sick[0])
        limits_still_hold(served)
        health = served.client.get("/readyz")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        proxy.fault = Fault.NONE
        assert served.client.get("/readyz").json()["status"] == "ready"


def sign_outs_end_sessions_at_once(served: Served, holder: Holder) -> None:
    me = bearer(holder.access_token)
    assert served.client.post("/api/v1/sign-out", headers=me).status_code == 204
    assert served.client.get("/api/v1/me/balance", headers=me).status_code == 401
    refused = served.client.post("/api/v1/tokens/refresh", headers=bearer(holder.refresh_token))
    assert refused.status_code == 401


def limits_still_hold(served: Served) -> None:
    burst = [
        served.client.post("/api/v1/sources/token", json=SOURCE_SIGN_IN)
        for _ in range(2 * SIGN_INS_PER_MINUTE + 1)  # a minute may end in between
    ]
    refused = [answer for answer in burst if answer.status_code == 429]
    assert refused
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


def test_forgetting_everything_forgets_nothing_that_matters(place: Place) -> None:
    city = place.city(holders=4, tickets=3, clerks=2)
    revoked, *others = city.holders
    with place.serving() as served, redis.Redis.from_url(place.redis.direct_url) as client:
        assert statuses(work(served, city, others[:1])) == {200: 8}
        sign_outs_end_sessions_at_once(served, revoked)
        assert client.dbsize()
        client.flushall()
        assert served.client.get(
            "/api/v1/me/balance", headers=bearer(revoked.access_token)
        ).status_code == 401
        assert statuses(work(served, city, others[1:])) == {200: 16}
        assert findings(place.app) == []


def test_the_service_starts_without_redis(place: Place) -> None:
    city = place.city(holders=1, tickets=1, clerks=1)
    place.redis.proxy.fault = Fault.REFUSE
    with place.serving() as served:
        answers = work(served, city, city.holders)
        assert statuses(answers) == {200: 4}
        renewed = answers[1].json()["access_token"]
        assert claims_of(renewed)["sub"] == str(city.holders[0].citizen_id)
        limits_still_hold(served)


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)

"""Rate limits: with Redis, without it, with one that hangs or forgets."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app.web import limits
from app.web.auth import Role, allow
from demo.servers import Database, free_port
from tests.conftest import ROOT, environment, sandbox_environment
from tests.members.api import bearer, citizen_tokens, join_body, made_up_person
from wechat_integration.sandbox.control import SandboxControl
from wechat_integration.sandbox.server import SandboxServer

START_SECONDS_MAX = 20
SOURCE_SIGN_IN = {"credential_id": "0190b6a8-0000-7000-8000-000000000000", "secret": "x"}


def burst(client: FlaskClient, number: int, address: str = "127.0.0.1") -> list[Any]:
    return [
        client.post(
            "/api/v1/sources/token", json=SOURCE_SIGN_IN, environ_base={"REMOTE_ADDR": address}
        )
        for _ in range(number)
    ]


def test_s20_a_burst_is_refused_with_the_time_to_wait(client: FlaskClient) -> None:
    answers = burst(client, 65)
    assert [a.status_code for a in answers[:60]] == [401] * 60
    refused = answers[-1]
    assert (refused.status_code, refused.get_json()["code"]) == (429, "too_many_requests")
    assert refused.content_type == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert burst(client, 1, "192.0.2.1")[0].status_code == 401


def test_s55_forwarded_addresses_from_outside_are_ignored(client: FlaskClient) -> None:
    for number in range(61):
        answer = client.post(
            "/api/v1/sources/token", json=SOURCE_SIGN_IN,
            headers={"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"},
        )
    assert answer.status_code == 429


def test_an_ipv6_network_is_one_client(client: FlaskClient) -> None:
    for number in range(61):
        answer = burst(client, 1, f"2001:db8:1:2::{number:x}")[0]
    assert answer.status_code == 429
    assert burst(client, 1, "2001:db8:1:3::1")[0].status_code == 401


def test_flushall_only_forgets_the_counts(
    client: FlaskClient, redis_client: redis.Redis
) -> None:
    burst(client, 61)
    redis_client.flushall()
    assert burst(client, 1)[0].status_code == 401
    assert burst(client, 65)[-1].status_code == 429


def test_a_local_limit_counts_each_caller(
    app: Flask, client: FlaskClient, sandbox: SandboxControl
) -> None:
    @allow(Role.CITIZEN)
    @limits.local_per_caller("3/minute")
    def hot() -> str:
        return "fine"

    def call(tokens: dict[str, Any]) -> None:
        with app.test_request_context(headers=bearer(tokens["access_token"])):
            assert hot() == "fine"

    first, second = citizen_tokens(client, sandbox), citizen_tokens(client, sandbox)
    for _ in range(3):
        call(first)
    with pytest.raises(limits.TooManyRequests) as refused:
        call(first)
    assert 1 <= refused.value.retry_after_seconds <= 60
    call(second)


@contextlib.contextmanager
def hanging_redis() -> Iterator[str]:
    """A server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        held: list[socket.socket] = []

        def hold() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in held:
            connection.close()


@contextlib.contextmanager
def served(variables: dict[str, str], tmp_path: Path) -> Iterator[httpx.Client]:
    """A real server process of the application."""
    port = free_port()
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port}",
         "--worker-class", "gthread", "--threads", "4"],
        cwd=ROOT, env={**os.environ, **variables}, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            deadline = time.monotonic() + START_SECONDS_MAX
            while True:
                try:
                    client.get("/livez")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, (tmp_path / "server.log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


@pytest.fixture
def variables(
    test_database: Database, servers: dict[str, Any], sandbox_server: SandboxServer
) -> dict[str, str]:
    return environment(
        test_database, Path(servers["keys_file"]), **sandbox_environment(sandbox_server)
    )


@pytest.mark.parametrize("redis_is", ["absent", "refusing", "hanging"])
def test_s7_s20_everything_that_matters_works_without_redis(
    committing_app: Flask,
    variables: dict[str, str],
    sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
    tmp_path: Path,
    *,
    redis_is: str,
) -> None:
    with contextlib.ExitStack() as stack:
        if redis_is == "refusing":
            variables["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
        if redis_is == "hanging":
            variables["REDIS_URL"] = stack.enter_context(hanging_redis())
        server = stack.enter_context(served(variables, tmp_path))
        body = join_body(committing_app.test_client(), sandbox, made_up_person(sandbox))
        joined = server.post("/api/v1/join", json=body)
        assert joined.status_code == 201, joined.text

        def timed(path: str, token: str) -> httpx.Response:
            started = time.monotonic()
            answer = server.post(path, headers=bearer(token))
            assert time.monotonic() - started < 1
            return answer

        refreshed = timed("/api/v1/tokens/refresh", joined.json()["refresh_token"])
        assert refreshed.status_code == 200
        token = refreshed.json()["access_token"]
        assert server.get("/api/v1/me", headers=bearer(token)).status_code == 200
        admin.execute("UPDATE citizens SET status = 'left'")
        assert server.get("/api/v1/me", headers=bearer(token)).status_code == 401
        admin.execute("UPDATE citizens SET status = 'active'")
        assert timed("/api/v1/sign-out", token).status_code == 204
        assert server.get("/api/v1/me", headers=bearer(token)).status_code == 401

        statuses, slow = [], 0
        for _ in range(80):
            started = time.monotonic()
            statuses.append(server.post("/api/v1/sources/token", json=SOURCE_SIGN_IN).status_code)
            slow += time.monotonic() - started > 0.2
        assert statuses.count(429) == 20
        assert slow <= 4  # one probe of the breaker each time

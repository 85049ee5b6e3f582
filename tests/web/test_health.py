"""Liveness touches nothing; readiness needs PostgreSQL and its schema, and nothing else."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import psycopg
from flask import Flask

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections
from demo.servers import free_port


def with_settings(settings: Settings, **changes: Any) -> Flask:
    return create_app(dataclasses.replace(settings, **changes))


def unreachable() -> str:
    return f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"


def test_alive_without_any_server(settings: Settings) -> None:
    client = with_settings(settings, database_url=unreachable(), redis_url=None).test_client()
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert client.get("/livez").json == {"status": "alive"}
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.01


def test_ready(settings: Settings) -> None:
    app = with_settings(settings)
    assert app.test_client().get("/readyz").json == {"status": "ready", "missing": []}
    with app.app_context():
        close_connections()


def test_degraded_without_redis(settings: Settings) -> None:
    app = with_settings(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "degraded", "missing": ["redis"]})
    with app.app_context():
        close_connections()


def test_not_ready_without_postgresql(settings: Settings) -> None:
    answer = with_settings(settings, database_url=unreachable()).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert (answer.json or {})["code"] == "not_ready"


def test_not_ready_on_an_older_schema_after_three_answers(
    settings: Settings, admin: psycopg.Connection[Any]
) -> None:
    app = with_settings(settings)
    client = app.test_client()

    def statuses(number: int) -> list[int]:
        return [client.get("/readyz").status_code for _ in range(number)]

    assert statuses(1) == [200]
    admin.execute("UPDATE alembic_version SET version_num = '0000' || version_num")
    try:
        assert statuses(4) == [200, 200, 503, 503]
    finally:
        admin.execute("UPDATE alembic_version SET version_num = substr(version_num, 5)")
    assert statuses(3) == [503, 503, 200]
    with app.app_context():
        close_connections()


def test_ready_on_a_newer_schema(settings: Settings, admin: psycopg.Connection[Any]) -> None:
    app = with_settings(settings)
    admin.execute("UPDATE alembic_version SET version_num = '9' || version_num")
    try:
        assert app.test_client().get("/readyz").status_code == 200
    finally:
        admin.execute("UPDATE alembic_version SET version_num = substr(version_num, 2)")
    with app.app_context():
        close_connections()

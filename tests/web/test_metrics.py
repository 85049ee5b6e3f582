"""Metrics: for insiders, without ids, a bounded number of series."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections
from app.kernel.ids import new_id

TOKEN = "metrics-test-token"


@pytest.fixture
def watched(settings: Settings) -> Iterator[Flask]:
    app = create_app(dataclasses.replace(settings, metrics_token_secret=TOKEN))
    yield app
    with app.app_context():
        close_connections()


@pytest.fixture
def watcher(watched: Flask) -> FlaskClient:
    return watched.test_client()


def test_requests_are_counted_per_route(watcher: FlaskClient) -> None:
    watcher.get("/livez")
    watcher.get(f"/nowhere/{new_id()}")
    watcher.get(f"/problems/{new_id().hex}")
    text = watcher.get("/metrics").text
    assert 'card_http_requests_total{method="GET",route="/livez",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert 'route="/problems/<code>",status="404"' in text
    assert 'card_http_request_seconds_bucket{le="0.005",method="GET",route="/livez"}' in text


def test_gauges_are_asked(watcher: FlaskClient) -> None:
    text = watcher.get("/metrics").text
    for name in ("outbox_depth", "outbox_oldest_seconds", "jobs_waiting", "jobs_dead",
                 "holds_overdue"):  # fmt: skip
        assert f"\ncard_{name} 0.0" in text
    assert "\ncard_gauge_sources_unanswered 0.0" in text


def test_strange_methods_make_no_series(watcher: FlaskClient) -> None:
    for number in range(50):
        watcher.open("/livez", method=f"METHOD{number}")
    assert "METHOD1" not in watcher.get("/metrics").text


@pytest.mark.parametrize(("address", "headers", "status"), [
    ("127.0.0.1", {}, 200), ("10.1.2.3", {}, 200), ("fd00::1", {}, 200),
    ("203.0.113.9", {}, 200),  # a documentation network is private too
    ("8.8.8.8", {}, 404), ("2a00::1", {}, 404), ("", {}, 404),
    ("127.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, 404),
    ("127.0.0.1", {"Forwarded": "for=8.8.8.8"}, 404),
    ("8.8.8.8", {"X-Forwarded-For": "127.0.0.1"}, 404),
    ("8.8.8.8", {"Authorization": f"Bearer {TOKEN}"}, 200),
    ("8.8.8.8", {"Authorization": f"Bearer {TOKEN}x"}, 404),
    ("8.8.8.8", {"Authorization": "Bearer é"}, 404),
])  # fmt: skip
def test_for_insiders_only(
    watcher: FlaskClient, address: str, headers: dict[str, str], status: int
) -> None:
    answer = watcher.get("/metrics", environ_base={"REMOTE_ADDR": address}, headers=headers)
    assert answer.status_code == status


def test_metrics_answer_without_a_database(settings: Settings) -> None:
    changed = dataclasses.replace(settings, database_url="postgresql://nobody@127.0.0.1:9/nowhere")
    text = create_app(changed).test_client().get("/metrics").text
    assert "\ncard_gauge_sources_unanswered 11.0" in text

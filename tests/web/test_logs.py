"""Log lines: one object each, the request's id, nothing personal."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import orjson
import pytest
from flask.testing import FlaskClient

from app.kernel.context import request_id
from app.web.logs import PrivateFormatter, logging_settings

CANARIES = ["330106199003070012", "13800138000", "oX9_wechat_openid_canary", "eyJhbGciOi.token"]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrivateFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    before = root.level
    root.setLevel(logging.INFO)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def test_a_request_is_one_line(probe: FlaskClient, written: io.StringIO) -> None:
    probe.get("/problems/not_found", headers={"X-Request-Id": "edge-12345678"})
    line = orjson.loads(written.getvalue())
    assert line.pop("time")
    assert isinstance(line.pop("duration_ms"), float)
    assert line == {
        "level": "INFO",
        "logger": "app.access",
        "message": "request",
        "request_id": "edge-12345678",
        "method": "GET",
        "route": "/problems/<code>",
        "status": 200,
    }


def test_canaries_stay_out(probe: FlaskClient, written: io.StringIO) -> None:
    for canary in CANARIES:
        headers = {"Authorization": f"Bearer {canary}", "X-Real-Name": canary}
        probe.get(f"/nowhere/{canary}?phone={canary}", headers=headers)
        probe.get(f"/test/pages?limit={canary}", headers=headers)
        probe.post(f"/test/notes?x={canary}", json={"note": canary}, headers=headers)
        probe.post("/test/notes", json={canary: canary})
        probe.post("/test/notes", data=canary, content_type="application/json")
        probe.get(f"/test/fault/{canary}")
    text = written.getvalue()
    assert text.count("\n") >= len(CANARIES) * 6
    assert not any(canary in text for canary in CANARIES)


def test_the_arguments_of_other_libraries_stay_out() -> None:
    record = logging.LogRecord("httpx", logging.INFO, "", 1, "GET %s", ("secret=1",), None)
    assert orjson.loads(PrivateFormatter().format(record))["message"] == "GET %s"
    record = logging.LogRecord("procrastinate.worker", logging.ERROR, "", 1, "secret", (), None)
    record.action = "job_error"
    assert orjson.loads(PrivateFormatter().format(record))["message"] == "job_error"


def test_the_id_of_a_request_is_forgotten_after_it(probe: FlaskClient) -> None:
    probe.get("/livez")
    assert request_id.get() is None


def test_every_library_writes_through_the_one_handler() -> None:
    settings = logging_settings("INFO")
    assert settings["root"]["handlers"] == ["stderr"]
    assert all(not made.get("handlers") for made in settings["loggers"].values())

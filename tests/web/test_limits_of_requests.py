"""S25: what is too big, too deep or unknown is refused, quickly and as a problem."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

REFUSAL_SECONDS_MAX = 0.05


def nested(levels: int) -> bytes:
    return b'{"note":"x","parts":' + b"[" * levels + b"]" * levels + b"}"


def post(client: FlaskClient, body: bytes, media_type: str = "application/json") -> TestResponse:
    return client.post("/test/notes", data=body, content_type=media_type)


@pytest.mark.parametrize(("body", "status"), [
    (b'{"note":"' + b"x" * 1_000_000 + b'"}', 413),
    (nested(20), 400),
    (nested(5_000), 400),
    (b"[" * 900_000, 400),
    (b'{"note":', 400),
    (b"\xff\xfe", 400),
    (b'{"note":NaN}', 400),
    (b"[]", 422),
    (b'{"note":"x","role":"operator"}', 422),
    (b'{"note":"' + b"x" * 51 + b'"}', 422),
    (b'{"note":"x","parts":[1,2,3,4,5,6,7,8,9,10,11]}', 422),
    (b"{}", 422),
    (b"", 422),
])  # fmt: skip
def test_bad_bodies(probe: FlaskClient, body: bytes, status: int) -> None:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        answer = post(probe, body)
        seconds.append(time.perf_counter() - started)
        assert answer.status_code == status
        assert answer.content_type == "application/problem+json"
        assert orjson.loads(answer.data)["status"] == status
    assert min(seconds) < REFUSAL_SECONDS_MAX


def test_a_good_body_of_the_greatest_depth(probe: FlaskClient) -> None:
    assert post(probe, nested(19)).status_code == 200


def test_another_media_type(probe: FlaskClient) -> None:
    assert post(probe, b'{"note":"x"}', "text/plain").status_code == 415


@pytest.mark.parametrize(("query", "status"), [
    ("", 200), ("?limit=100", 200), ("?limit=101", 422), ("?limit=0", 422), ("?limit=x", 422),
    ("?limit=1&role=operator", 422),
])  # fmt: skip
def test_pages(probe: FlaskClient, query: str, status: int) -> None:
    assert probe.get(f"/test/pages{query}").status_code == status


def test_what_does_not_fit_is_named(probe: FlaskClient) -> None:
    body: dict[str, Any] = orjson.loads(post(probe, b'{"note":"x","role":"y"}').data)
    assert body["code"] == "invalid_request"
    assert body["errors"] == {"json": {"role": ["Unknown field."]}}

"""S44: whatever fails, the answer and the log tell no stack, no SQL, no path, no message."""

from __future__ import annotations

import logging
from itertools import product

import orjson
import psycopg
import pytest
import sqlalchemy.exc
from flask import Flask
from flask.testing import FlaskClient
from werkzeug import exceptions as http

from app.kernel import errors
from app.web.logs import PrivateFormatter
from app.web.problems import HTTP_PROBLEMS, MEDIA_TYPE, document
from tests.web.conftest import FAULTS

SECRETS = [
    "SELECT name FROM citizens WHERE phone = '13800138000'",
    "/srv/card/app/members/operations.py",
    'Traceback (most recent call last):\n  File "/srv/x.py", line 3, in f',
    "330106199003070012",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "postgresql://card_web:password@10.0.0.3/card",
    "<script>alert(1)</script>",
    "{{ config }} %s %(name)s",
]
KINDS = [
    ValueError, TypeError, KeyError, RuntimeError, AssertionError, OSError, LookupError,
    MemoryError, RecursionError, UnicodeError, ZeroDivisionError, NotImplementedError,
    psycopg.errors.UniqueViolation, psycopg.errors.SyntaxError, psycopg.OperationalError,
    psycopg.errors.QueryCanceled, sqlalchemy.exc.InvalidRequestError, http.BadRequest,
    http.NotFound, http.RequestEntityTooLarge, http.Conflict, http.BadGateway,
    http.ImATeapot, http.ServiceUnavailable, http.InternalServerError,
]  # fmt: skip


def faults() -> dict[str, BaseException]:
    made = {}
    for number, (kind, secret) in enumerate(product(KINDS, SECRETS)):
        made[str(number)] = kind(secret)
    return made


def test_200_forced_faults_tell_nothing(
    probe: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    FAULTS.update(faults())
    assert len(FAULTS) >= 200
    formatter = PrivateFormatter()
    known = {
        document(code=code, title=title, advice=advice, status=status)
        for (code, title, advice), status in product(HTTP_PROBLEMS.values(), range(400, 600))
    }
    with caplog.at_level(logging.INFO):
        for name in FAULTS:
            answer = probe.get(f"/test/fault/{name}")
            assert answer.status_code >= 400
            assert answer.content_type == MEDIA_TYPE
            assert answer.data in known
            told = answer.data.decode() + str(answer.headers)
            assert not any(secret in told for secret in SECRETS)
    lines = "\n".join(formatter.format(record) for record in caplog.records)
    assert '"error_class":"ValueError"' in lines
    assert "tests.web.conftest:" in lines
    assert not any(secret in lines or repr(secret) in lines for secret in SECRETS)


def test_a_lost_database_is_busy(probe: FlaskClient) -> None:
    FAULTS["lost"] = sqlalchemy.exc.OperationalError("SELECT 1", {}, OSError("gone"))
    answer = probe.get("/test/fault/lost")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


class RefusedForATest(errors.Conflict):
    code = "test_refused"
    title = "Refused for a test"
    advice = "测试。"


def test_a_refusal_keeps_its_details(probe: FlaskClient) -> None:
    FAULTS["refused"] = RefusedForATest(since="2026-01-01")
    answer = probe.get("/test/fault/refused")
    assert (answer.status_code, answer.content_type) == (409, MEDIA_TYPE)
    assert orjson.loads(answer.data) == {
        "type": "/problems/test_refused",
        "title": "Refused for a test",
        "status": 409,
        "code": "test_refused",
        "advice": "测试。",
        "since": "2026-01-01",
    }


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nowhere", 404), ("POST", "/livez", 405), ("TRACE", "/livez", 405),
    ("TRACE", "/nowhere", 405), ("CONNECT", "/livez", 405), ("BREW", "/livez", 405),
])  # fmt: skip
def test_the_framework_refuses_with_problems(
    probe: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = probe.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (status, MEDIA_TYPE)


def test_every_answer_has_its_headers(probe: FlaskClient) -> None:
    for path in ("/livez", "/nowhere", "/docs", "/problems/not_found", "/test/fault/lost"):
        headers = probe.get(path).headers
        assert "max-age=31536000" in headers["Strict-Transport-Security"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert len(headers["X-Request-Id"]) >= 8
        assert "Server" not in headers or "Werkzeug" in headers["Server"]


def test_a_request_id_is_kept_only_when_it_is_plain(probe_app: Flask) -> None:
    client = probe_app.test_client()
    kept = client.get("/livez", headers={"X-Request-Id": "edge-12345678"})
    assert kept.headers["X-Request-Id"] == "edge-12345678"
    for bad in ("short", "x" * 65, "a b c d e f g", "<script>alert</script>"):
        assert client.get("/livez", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad

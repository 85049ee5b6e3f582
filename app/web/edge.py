"""What every request meets first and every answer last: id, headers, one log line, one count.

A WSGI layer around Flask, because hooks of Flask and its header objects cost several times as much.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.kernel import context
from app.kernel.ids import new_id
from app.web import metrics
from app.web.problems import http_problem

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_UNHEARD_METHODS = frozenset({"TRACE", "TRACK", "CONNECT"})
_QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})
_UNMATCHED = "unmatched"

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
_FOR_ALL = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
)
# What an answer gets unless it says otherwise; lower-case names beside, for comparing.
_API_HEADERS, _PAGE_HEADERS = (
    [(name.lower(), (name, value)) for name, value in (*_FOR_ALL, _POLICY)]
    for _POLICY in (
        ("Content-Security-Policy", API_POLICY),
        ("Content-Security-Policy", PAGE_POLICY),
    )
)

Headers = list[tuple[str, str]]

access_log = logging.getLogger("app.access")


class Edge:
    """The outermost layer of the application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        known = given if _REQUEST_ID.fullmatch(given) else str(new_id())
        context.request_id.set(known)
        route, sent = _UNMATCHED, 500

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal route, sent
            route, sent = _route(environ), int(status[:3])
            return start_response(status, _completed(headers, known), exc_info)

        answer = _refusal(environ) or self._application
        try:
            return answer(environ, start)
        finally:
            seconds = time.perf_counter() - started
            _record(method=environ["REQUEST_METHOD"], route=route, status=sent, seconds=seconds)
            context.request_id.set(None)


def _refusal(environ: WSGIEnvironment) -> WSGIApplication | None:
    """What is refused before it is looked at: unheard methods, and NUL, which no text contains."""
    if environ["REQUEST_METHOD"] in _UNHEARD_METHODS:
        return http_problem(405)
    if "\x00" in environ.get("PATH_INFO", "") or "%00" in environ.get("QUERY_STRING", ""):
        return http_problem(400)
    return None


def unread_answer(status: int) -> bytes:
    """The bytes of the answer to what could not be read as a request; the connection's last.

    It has an id, a line in the log and a count, as every other.
    """
    known = str(new_id())
    context.request_id.set(known)
    try:
        _record(method=metrics.OTHER_METHOD, route=_UNMATCHED, status=status, seconds=0)
    finally:
        context.request_id.set(None)
    problem = http_problem(status)
    headers = _completed([*problem.headers.items(), ("Connection", "close")], known)
    lines = [f"HTTP/1.1 {problem.status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + problem.get_data()


def _completed(headers: Headers, request_id: str) -> Headers:
    names = {name.lower(): value for name, value in headers}
    is_page = names.get("content-type", "").startswith("text/html")
    wanted = _PAGE_HEADERS if is_page else _API_HEADERS
    added = [header for name, header in wanted if name not in names]
    return [*headers, (REQUEST_ID_HEADER, request_id), *added]


def _route(environ: WSGIEnvironment) -> str:
    """The rule of the request, which Flask knows until it has answered."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return _UNMATCHED if rule is None else str(rule.rule)


def _record(*, method: str, route: str, status: int, seconds: float) -> None:
    metrics.count_request(method=method, route=route, status=status, seconds=seconds)
    if route not in _QUIET_ROUTES:
        access_log.info(
            "request",
            extra={
                "method": method if method in metrics.METHODS else metrics.OTHER_METHOD,
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 2),
            },
        )

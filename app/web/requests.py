"""The edge of every request: an id, limits, JSON in and out, headers, one log line."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import orjson
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.middleware.proxy_fix import ProxyFix

from app.kernel import context
from app.kernel.errors import Unreadable
from app.kernel.ids import new_id
from app.web import metrics

P = ParamSpec("P")
R = TypeVar("R")

JSON_BODY_MAX_BYTES = 1_000_000
JSON_DEPTH_MAX = 20
PAGE_MAX_ROWS = 100
REQUEST_ID_HEADER = "X-Request-Id"
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # an escape, not the six characters
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_UNHEARD_METHODS = frozenset({"TRACE", "TRACK", "CONNECT"})
_QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)

access_log = logging.getLogger("app.access")


class UnreadableBody(Unreadable):
    """The body is no JSON, or nested too deeply."""

    code = "unreadable_request"
    title = "The request cannot be read"
    advice = "请求无法读取，请重试或更新程序。"


class OrjsonProvider(JSONProvider):
    """orjson for answers and bodies; datetimes as RFC 3339 in UTC with Z."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """The JSON text of a value."""
        return orjson.dumps(obj, option=orjson.OPT_UTC_Z).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """The value of a JSON text; UnreadableBody when there is none."""
        try:
            value = orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise UnreadableBody from error
        if _depth_exceeds(value, JSON_DEPTH_MAX):
            raise UnreadableBody
        if _holds_nul(s):  # PostgreSQL keeps no such text
            raise UnreadableBody
        return value


def _holds_nul(text: str | bytes) -> bool:
    raw = text.encode() if isinstance(text, str) else text
    return _NUL_ESCAPE.search(raw) is not None


def _depth_exceeds(value: object, limit: int) -> bool:
    level = _containers([value])
    for _ in range(limit):
        level = [
            inner
            for item in level
            for inner in _containers(item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def configure_requests(app: Flask, *, trusted_proxy_count: int) -> None:
    """Give every request an id and every body a limit.

    A route that takes files raises its own limit (`takes_files`).  Without
    trusted proxies, forwarding headers are not believed.
    """
    app.debug = False  # whatever FLASK_DEBUG says
    app.json = OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = JSON_BODY_MAX_BYTES
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_forget)
    if trusted_proxy_count:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # as Flask documents
            app.wsgi_app, x_for=trusted_proxy_count, x_proto=trusted_proxy_count
        )


def takes_files(max_bytes: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a route read a larger body; stands below `allow` and above the arguments."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def larger(*args: P.args, **kwargs: P.kwargs) -> R:
            request.max_content_length = max_bytes
            return view(*args, **kwargs)

        return larger

    return decorate


def _begin() -> None:
    g.started = time.perf_counter()
    given = request.headers.get(REQUEST_ID_HEADER, "")
    known = given if _REQUEST_ID.fullmatch(given) else str(new_id())
    g.request_id = known
    context.request_id.set(known)
    if request.method in _UNHEARD_METHODS:
        raise MethodNotAllowed
    if "\x00" in request.path or b"%00" in request.query_string:
        raise UnreadableBody


def _finish(response: Response) -> Response:
    headers = response.headers
    headers[REQUEST_ID_HEADER] = g.get("request_id", "")
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    is_page = response.mimetype == "text/html"
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else API_POLICY)
    _record(response.status_code)
    return response


def _record(status: int) -> None:
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    route = request.url_rule.rule if request.url_rule else "unmatched"
    metrics.count_request(method=request.method, route=route, status=status, seconds=seconds)
    if route not in _QUIET_ROUTES:
        access_log.info(
            "request",
            extra={
                "method": request.method,
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 2),
            },
        )


def _forget(_error: BaseException | None) -> None:
    context.request_id.set(None)

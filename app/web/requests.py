"""Bodies: JSON in and out, and the limits of what is read."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import IO, Any, ParamSpec, TypeVar, cast
from wsgiref.types import WSGIApplication

import orjson
from flask import Flask, Request, Response, request
from flask.json.provider import JSONProvider
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.middleware.proxy_fix import ProxyFix

from app.kernel.errors import Unreadable
from app.web.edge import Edge

P = ParamSpec("P")
R = TypeVar("R")

JSON_BODY_MAX_BYTES = 1_000_000
JSON_DEPTH_MAX = 20
PAGE_MAX_ROWS = 100
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # an escape, not the six characters


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
        raw = s.encode() if isinstance(s, str) else s
        brackets = raw.count(b"{") + raw.count(b"[")  # few cannot nest deeply
        if brackets > JSON_DEPTH_MAX and _depth_exceeds(value, JSON_DEPTH_MAX):
            raise UnreadableBody
        if _holds_nul(raw):  # PostgreSQL keeps no such text
            raise UnreadableBody
        return value


class FileRequest(Request):
    """A request whose files are written where its route says."""

    make_file: Callable[[], IO[bytes]] = io.BytesIO  # never on a disk

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return self.make_file()


def _holds_nul(raw: bytes) -> bool:
    return b"\\u0000" in raw and _NUL_ESCAPE.search(raw) is not None


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


class NoSessions(SessionInterface):
    """Who calls is said by a token; there is no session to open, keep or send."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:  # noqa: ARG002
        """An empty one for all."""
        return _NO_SESSION

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to save."""


_NO_SESSION = NullSession()


def configure_requests(app: Flask, *, trusted_proxy_count: int) -> None:
    """Put the edge around the application, and give every body a limit.

    A route that takes files raises its own limit (`takes_files`).  Without
    trusted proxies, forwarding headers are not believed.
    """
    app.debug = False  # whatever FLASK_DEBUG says
    app.json = OrjsonProvider(app)
    app.request_class = FileRequest
    app.session_interface = NoSessions()
    app.config["MAX_CONTENT_LENGTH"] = JSON_BODY_MAX_BYTES
    inner: WSGIApplication = app.wsgi_app
    if trusted_proxy_count:
        inner = ProxyFix(inner, x_for=trusted_proxy_count, x_proto=trusted_proxy_count)
    app.wsgi_app = Edge(inner)  # type: ignore[method-assign]  # as Flask documents


def takes_files(
    *, max_bytes: Callable[[], int], into: Callable[[], Any] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a route read a larger body, its files into what `into` makes (`write`, `seek`, `close`).

    Stands below `allow` and above the arguments.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def larger(*args: P.args, **kwargs: P.kwargs) -> R:
            request.max_content_length = max_bytes()
            if into is not None:
                cast("FileRequest", request).make_file = into
            return view(*args, **kwargs)

        return larger

    return decorate

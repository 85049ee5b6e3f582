"""The edge of every request: an id, size and depth limits, JSON in and out."""

from __future__ import annotations

import re
from typing import Any

import orjson
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider

from app.kernel.errors import Unreadable
from app.kernel.ids import new_id

JSON_BODY_MAX_BYTES = 1_000_000
JSON_DEPTH_MAX = 20
PAGE_MAX_ROWS = 100
REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class UnreadableBody(Unreadable):
    """The body is no JSON, or nested too deeply."""

    code = "unreadable_request"
    title = "The request cannot be read"
    advice = "请求无法读取，请重试或更新程序。"


class OrjsonProvider(JSONProvider):
    """orjson for answers and bodies; datetimes as RFC 3339 in UTC with Z."""

    def dumps(self, obj: Any, **_: Any) -> str:  # noqa: ANN401 -- the interface is Flask's
        return orjson.dumps(obj, option=orjson.OPT_UTC_Z).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:  # noqa: ANN401 -- the interface is Flask's
        try:
            value = orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise UnreadableBody from error
        if _depth_exceeds(value, JSON_DEPTH_MAX):
            raise UnreadableBody
        return value


def _depth_exceeds(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def configure_requests(app: Flask) -> None:
    """Give every request an id and every body a limit.

    A route that takes files raises its own `request.max_content_length` before it reads.
    """
    app.json = OrjsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = JSON_BODY_MAX_BYTES
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID_HEADER] = g.get("request_id", "")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response

"""The single error door: every refusal leaves as a problem document (RFC 9457).

The one table from kind to status stands here.  Documents carry no request id (it is in a header),
so that a stored answer can be repeated byte for byte.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import orjson
import psycopg
import sqlalchemy.exc
from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from app.kernel import errors
from app.web.logs import place

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
BUSY_RETRY_SECONDS = 1

STATUS_BY_KIND: dict[type[errors.DomainError], int] = {
    errors.Unreadable: 400,
    errors.Unauthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}

# What werkzeug and Flask raise by themselves, by status.
HTTP_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("unreadable_request", "The request cannot be read", "请求无法读取，请重试或更新程序。"),
    401: ("unauthenticated", "Sign-in is needed", "请先登录。"),
    403: ("not_allowed", "Not allowed", "无权进行此操作。"),
    404: ("not_found", "There is nothing here", "没有找到所请求的内容。"),
    405: ("method_not_allowed", "The method is not allowed here", "不支持此操作方式。"),
    406: ("not_acceptable", "No acceptable form of the answer", "无法按要求的格式返回。"),
    408: ("request_timeout", "The request took too long to arrive", "请求超时，请重试。"),
    413: ("body_too_large", "The request body is too large", "提交的内容过大。"),
    414: ("address_too_long", "The address is too long", "请求地址过长。"),
    415: ("unsupported_media_type", "The media type is not supported", "不支持此内容类型。"),
    422: ("invalid_request", "The request does not fit", "提交的内容不符合要求，请检查后重试。"),
    429: ("too_many_requests", "Too many requests", "操作过于频繁，请稍后再试。"),
    431: ("headers_too_large", "The request's headers are too large", "请求头过大，请更新程序。"),
    500: ("internal_error", "Something went wrong on our side", "系统出错，请稍后重试。"),
    503: ("busy", "The service is busy", "系统繁忙，请稍后重试。"),
}


def status_of(kind: type[errors.DomainError]) -> int:
    """The HTTP status of a refusal's kind."""
    return next(STATUS_BY_KIND[base] for base in kind.__mro__ if base in STATUS_BY_KIND)


def document(
    *, code: str, title: str, advice: str, status: int, details: dict[str, Any] | None = None
) -> bytes:
    """The bytes of a problem document."""
    return orjson.dumps({
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "advice": advice,
        **(details or {}),
    }, option=orjson.OPT_NON_STR_KEYS)  # messages about a list are keyed by position


def problem(error: errors.DomainError) -> Response:
    """The answer for a refusal."""
    status = status_of(type(error))
    g.refusal_code = error.code
    body = document(
        code=error.code,
        title=error.title,
        advice=error.advice,
        status=status,
        details=error.details,
    )
    response = Response(body, status=status, content_type=MEDIA_TYPE)
    if isinstance(error, errors.TooMany | errors.Unavailable):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def http_problem(status: int, details: dict[str, Any] | None = None) -> Response:
    """The answer for a status that the framework decided."""
    like = 400 if status < HTTPStatus.INTERNAL_SERVER_ERROR else 500
    code, title, advice = HTTP_PROBLEMS.get(status, HTTP_PROBLEMS[like])
    body = document(code=code, title=title, advice=advice, status=status, details=details)
    return Response(body, status=status, content_type=MEDIA_TYPE)


def register_problems(app: Flask) -> None:
    """Route every exception of the application through this door."""
    app.register_error_handler(errors.DomainError, problem)
    app.register_error_handler(HTTPException, _framework_problem)
    for busy in (
        sqlalchemy.exc.OperationalError,
        sqlalchemy.exc.TimeoutError,
        psycopg.OperationalError,
    ):
        app.register_error_handler(busy, _database_problem)
    app.register_error_handler(Exception, _unexpected_problem)


def _framework_problem(error: HTTPException) -> Response:
    if isinstance(error.response, Response):  # made elsewhere with everything in it: limits
        return error.response
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    data = getattr(error, "data", None) or {}  # webargs keeps the validation messages here
    details = {"errors": data["messages"]} if "messages" in data else None
    response = http_problem(status, details)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after", "www-authenticate"}:
            response.headers[name] = value
    return response


def _database_problem(error: Exception) -> Response:
    log.warning("database unavailable", extra={"error_class": type(error).__name__})
    response = http_problem(503)
    response.headers["Retry-After"] = str(BUSY_RETRY_SECONDS)
    return response


def _unexpected_problem(error: Exception) -> Response:
    # The class and the place, never the message: it may hold what the caller sent.
    where = place(error.__traceback__)
    log.error("unexpected error", extra={"error_class": type(error).__name__, "at": where})
    return http_problem(500)

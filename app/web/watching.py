"""Refusals and exports are told to the log of security before they are answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, g, request

from app.web.auth import Caller, Role, WrongRole

# What is taken away as a file; pictures of codes are shown, not taken.
FILES = frozenset({
    "text/csv", "application/pdf", "application/jsonl", "application/x-ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
})


@dataclass(frozen=True)
class Seen:
    """A request that was denied, or that took a file away; without any id of what it asked for."""

    caller: Caller
    method: str
    rule: str
    refusal_code: str | None  # None: it was answered


Telling = Callable[[Seen], None]


def configure_security_log(app: Flask, tell: Telling) -> None:
    """Have `tell` called with what is seen; when it fails, the request fails."""

    @app.after_request
    def watch(response: Response) -> Response:
        seen = _seen(response)
        if seen is not None:
            tell(seen)
        return response


def _seen(response: Response) -> Seen | None:
    caller: Caller | None = g.get("caller")
    if caller is None:
        return None
    rule = "" if request.url_rule is None else request.url_rule.rule
    if response.status_code == HTTPStatus.FORBIDDEN:
        code = str(g.get("refusal_code", WrongRole.code))
        # A citizen is refused in the course of things; asking for what is no citizen's is not.
        if caller.role is Role.CITIZEN and code != WrongRole.code:
            return None
        return Seen(caller, request.method, rule, code)
    is_file = response.status_code == HTTPStatus.OK and response.mimetype in FILES
    if is_file and caller.role is not Role.CITIZEN:
        return Seen(caller, request.method, rule, None)
    return None

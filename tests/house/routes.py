"""The routes of an application, as the access matrix lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Flask

from app.web.auth import Access

PUBLIC = "public"
UNDECIDED = "UNDECIDED"
IMPLICIT_METHODS = {"HEAD", "OPTIONS"}


@dataclass(frozen=True, order=True)
class Route:
    """One method of one rule."""

    rule: str
    method: str
    roles: tuple[str, ...] = field(compare=False)
    objects: str = field(compare=False, default=UNDECIDED)

    @property
    def key(self) -> tuple[str, str]:
        """What tells routes apart."""
        return self.rule, self.method

    @classmethod
    def from_document(cls, entry: dict[str, Any]) -> Route:
        """From an entry of the matrix."""
        return cls(entry["rule"], entry["method"], tuple(entry["roles"]), entry["objects"])


def access_of(app: Flask, endpoint: str) -> Access | None:
    """What a route says about its callers."""
    return cast("Access | None", getattr(app.view_functions[endpoint], "access", None))


def routes_of(app: Flask) -> list[Route]:
    """Every route, with the roles that may call it; nothing is left out."""
    found = []
    for rule in app.url_map.iter_rules():
        access = access_of(app, rule.endpoint)
        roles = sorted(str(role) for role in access.roles) if access else []
        found += [
            Route(rule.rule, method, tuple(roles or [PUBLIC]))
            for method in sorted((rule.methods or set()) - IMPLICIT_METHODS)
        ]
    return sorted(found)


def as_openapi(rule: str) -> str:
    """The path of a rule in the OpenAPI document."""
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule)

"""Whether the process is alive, and whether it can serve.

Liveness touches nothing outside, or one hiccup of the database would restart every process.
Readiness asks PostgreSQL, its schema and the deletion journal alone: without Redis or WeChat the
service is degraded and goes on.  It changes its mind after three equal answers in a row, so that
one lost packet does not empty the pool of servers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import psycopg
import sqlalchemy.exc
from flask import Flask, current_app
from marshmallow import fields

from app.kernel.database import hot_call
from app.kernel.errors import Unavailable
from app.web.auth import public
from app.web.openapi import ApiSchema, Blueprint

ANSWERS_TO_CHANGE = 3
RETRY_SECONDS = 5

blueprint = Blueprint("health", __name__)


class NotReady(Unavailable):
    """PostgreSQL does not answer, or its schema or its knowledge of who left is too old."""

    code = "not_ready"
    title = "The service is not ready"
    advice = "系统暂时无法提供服务，请稍后重试。"


@dataclass
class Health:
    """What this process knows about its readiness.

    `head` is the migration this program needs; `may_open` whether a restored database knows who
    left since; `optional` says of each helpful thing whether it answers.
    """

    head: str
    may_open: Callable[[], bool]
    optional: Mapping[str, Callable[[], bool]]
    _ready: bool | None = None
    _contrary: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_ready(self) -> bool:
        """Ask the database and weigh its answer against the last ones."""
        return self._weigh(_schema_version() >= self.head and _holds(self.may_open))

    def _weigh(self, answer: bool) -> bool:  # noqa: FBT001 -- the one thing it weighs
        with self._lock:
            if self._ready is None or answer == self._ready:
                self._contrary = 0
                self._ready = answer
            else:
                self._contrary += 1
                if self._contrary >= ANSWERS_TO_CHANGE:
                    self._ready, self._contrary = answer, 0
            return self._ready

    def missing(self) -> list[str]:
        """The helpful things that do not answer."""
        return sorted(name for name, answers in self.optional.items() if not answers())


def _schema_version() -> str:
    """The migration the database is at; migrations are numbered, so that text order is theirs."""
    try:
        row = hot_call("SELECT version_num FROM alembic_version", {})
    except (psycopg.Error, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError):
        return ""
    return str(row["version_num"]) if row else ""


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (psycopg.Error, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError):
        return False


def configure_health(
    app: Flask,
    *,
    head: str,
    may_open: Callable[[], bool],
    optional: Mapping[str, Callable[[], bool]],
) -> None:
    """Set what readiness needs and what it only mentions."""
    app.extensions["card_health"] = Health(head=head, may_open=may_open, optional=optional)


class HealthSchema(ApiSchema):
    """The state of this process."""

    status = fields.String(
        required=True, metadata={"description": "`alive`, `ready` or `degraded`."}
    )
    missing = fields.List(
        fields.String(), metadata={"description": "Helpful things that do not answer."}
    )


@blueprint.route("/livez")
@public
@blueprint.response(200, HealthSchema)
def answer_alive() -> dict[str, object]:
    """Liveness: this process answers."""
    return {"status": "alive"}


@blueprint.route("/readyz")
@public
@blueprint.response(200, HealthSchema)
@blueprint.refuses(503)
def answer_ready() -> dict[str, object]:
    """Readiness: PostgreSQL answers, its schema is not old, and who left since stays so."""
    health = cast("Health", current_app.extensions["card_health"])
    if not health.is_ready():
        raise NotReady(retry_after_seconds=RETRY_SECONDS)
    missing = health.missing()
    return {"status": "degraded" if missing else "ready", "missing": missing}

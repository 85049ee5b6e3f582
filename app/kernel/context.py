"""The id of the request that the running code serves, from the edge through jobs to log lines."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

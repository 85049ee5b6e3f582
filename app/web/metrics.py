"""What Prometheus reads: rate, errors and duration per route, and gauges that rooms provide.

Labels never carry an id.  With several workers the numbers are kept in files of the directory
`PROMETHEUS_MULTIPROC_DIR`, which gunicorn.conf.py makes and empties; gauges are asked for when they
are read, because they live in the database and not in a process.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import psycopg
import sqlalchemy.exc
from flask import Flask, Response, current_app, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.exceptions import NotFound

from app.web.auth import public
from app.web.openapi import Blueprint

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("card_http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "card_http_request_seconds", "Time to answer a request", ["method", "route"], buckets=BUCKETS
)

Gauges = Callable[[], Mapping[str, float]]

blueprint = Blueprint("metrics", __name__)


def count_request(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    requests, durations = _series(method if method in METHODS else OTHER_METHOD, route, status)
    requests.inc()
    durations.observe(seconds)


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The series of one kind of answer, looked up once."""
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


def configure_metrics(app: Flask, *, token: str | None, gauges: tuple[Gauges, ...]) -> None:
    """Serve /metrics; `gauges` are asked at each reading, outside of any transaction."""
    app.extensions["card_metrics"] = (token, gauges)


@blueprint.route("/metrics")
@public
@blueprint.response(200, content_type="text/plain", description="Prometheus text format.")
@blueprint.refuses(404)
def read_metrics() -> Response:
    """Metrics, for internal addresses and for those who hold the token."""
    token, gauges = current_app.extensions["card_metrics"]
    if not (_is_inside() or _holds(token)):
        raise NotFound
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        body = generate_latest(registry)
    else:
        body = generate_latest(REGISTRY)
    asked = CollectorRegistry()
    asked.register(_Asked(gauges))
    return Response(body + generate_latest(asked), content_type=CONTENT_TYPE_LATEST)


def _is_inside() -> bool:
    # A proxy on this machine makes everybody a loopback caller; its header gives it away.
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return address.is_private


def _holds(token: str | None) -> bool:
    return token is not None and fits(token, given=request.headers.get("Authorization", ""))


def fits(token: str, *, given: str) -> bool:
    """Whether a header gives the token; how long it takes tells nothing of how much is right."""
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


class _Asked:
    """A collector that asks the rooms."""

    def __init__(self, gauges: tuple[Gauges, ...]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        unanswered = 0
        for source in self._gauges:
            try:
                values = source()
            except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError, psycopg.Error):
                unanswered += 1
                log.warning("gauges unanswered")
                continue
            for name, value in values.items():
                yield GaugeMetricFamily(f"card_{name}", name.replace("_", " "), value=value)
        yield GaugeMetricFamily(
            "card_gauge_sources_unanswered", "Sources that did not answer", value=unanswered
        )

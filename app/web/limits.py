"""Rate limits: shared over Redis, or per process where a Redis round trip would cost too much.

Redis may refuse, hang or forget everything: one call waits at most `REDIS_SECONDS_MAX`, then the
same limits are counted in the memory of the process (so each process lets the full number through)
until Redis answers again; it is asked after 1, 2, 4, … 32 seconds, by one request each time.

    @blueprint.route("/sign-in/staff", methods=["POST"])
    @public
    @limits.per_address("60/minute")

`per_caller` stands below `allow`, which says who the caller is.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import ParamSpec, TypeVar, cast

import redis
from flask import Flask, Response, request
from flask_limiter import Limiter, RequestLimit
from limits import RateLimitItem, parse
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.kernel.errors import TooMany
from app.web.auth import caller
from app.web.problems import http_problem

P = ParamSpec("P")
R = TypeVar("R")

REDIS_SECONDS_MAX = 0.1
IPV6_PREFIX = 64  # what one household or one attacker gets

log = logging.getLogger(__name__)


class TooManyRequests(TooMany):
    """The caller has used up a limit that is counted in this process."""

    code = "too_many_requests"
    title = "Too many requests"
    advice = "操作过于频繁，请稍后再试。"


def _refuse(limit: RequestLimit) -> Response:
    response = http_problem(429)
    response.headers["Retry-After"] = str(max(1, ceil(limit.reset_at - time.time())))
    return response


def client_address() -> str:
    """The address a request comes from; of IPv6 the network.

    It is the peer's own address unless `CARD_TRUSTED_PROXIES` says that proxies stand in front.
    """
    address = request.remote_addr or ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 -- IPv4
        return address
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))


def _caller_key() -> str:
    return str(caller().subject_id)


class RouteLimiter(Limiter):
    """Checks the routes that say a limit; there are none for all, so others pay nothing."""

    def _check_request_limit(
        self, callable_name: str | None = None, in_middleware: bool = True  # noqa: FBT001, FBT002
    ) -> None:
        try:
            super()._check_request_limit(callable_name, in_middleware)
        except redis.RedisError:
            # Redis failed several threads at once; the extension falls back for the first alone.
            self.context.seen_limits.clear()
            super()._check_request_limit(callable_name, in_middleware)


limiter = RouteLimiter(
    key_func=client_address,
    strategy="fixed-window",
    in_memory_fallback_enabled=True,
    on_breach=_refuse,
    key_prefix="card",
)
# Its lines about refused requests name addresses and callers.
limiter.logger.setLevel(logging.WARNING)


class LocalWindows:
    """Fixed windows in the memory of this process.

    The `limits` library's memory storage starts a timer thread per hit, which costs more than the
    request; here the counts of a window are dropped as a whole when it is over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, Counter[str]]] = {}

    def hit(self, *, name: str, item: RateLimitItem, key: str) -> int:
        """Count one; 0 when it is within the limit, else the seconds until the window ends."""
        length = item.get_expiry()
        now = time.monotonic()
        window = int(now // length)
        with self._lock:
            known, counts = self._counts.get(name, (-1, Counter()))
            if known != window:
                counts = Counter()
                self._counts[name] = (window, counts)
            counts[key] += 1
            if counts[key] <= item.amount:
                return 0
        return max(1, ceil((window + 1) * length - now))

    def reset(self) -> None:
        """Forget every count."""
        with self._lock:
            self._counts.clear()


_local = LocalWindows()


def configure_limits(app: Flask, *, redis_url: str | None) -> None:
    """Count over Redis when there is one."""
    app.config["RATELIMIT_STORAGE_URI"] = redis_url or "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {} if redis_url is None else {
        "socket_connect_timeout": REDIS_SECONDS_MAX,
        "socket_timeout": REDIS_SECONDS_MAX,
        "retry": Retry(NoBackoff(), 0),
    }
    app.extensions["limiter"] = {limiter}  # as if its hooks were there: nothing needs them here
    limiter.init_app(app)


def forget_all() -> None:
    """Forget every count: for tests, which all come from one address."""
    limiter.reset()
    _local.reset()


def per_caller(limit: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Limit each signed-in caller, counted over Redis: `"30/minute"`."""
    return _shared(limit, _caller_key)


def per_address(limit: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Limit each client address, counted over Redis."""
    return _shared(limit, client_address)


def _shared(
    limit: str, key: Callable[[], str]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    decorate = cast(
        "Callable[[Callable[P, R]], Callable[P, R]]", limiter.limit(limit, key_func=key)
    )
    return lambda view: _marked(decorate(view), limit)


def _marked(view: Callable[P, R], limit: str) -> Callable[P, R]:
    view.limited = limit  # type: ignore[attr-defined]  # read by the document
    return view


def local_per_caller(limit: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Limit each signed-in caller in this process alone: a few microseconds, for hot routes.

    With n processes a caller gets up to n times the limit.
    """
    item = parse(limit)

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            wait = _local.hit(name=view.__qualname__, item=item, key=str(caller().subject_id))
            if wait:
                raise TooManyRequests(retry_after_seconds=wait)
            return view(*args, **kwargs)

        return _marked(limited, limit)

    return decorate

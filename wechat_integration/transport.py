"""One bounded HTTP exchange: deadline, size limit, no redirects, no proxies, no cookies.

Used for every outgoing call of this package. Secrets in a query string (WeChat wants the app
secret and the access token there) never stand in a URL that the HTTP client logs or puts in an
exception: they are added below the client, where the request goes to the socket.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Literal, TypeVar

import httpcore
import httpx

from wechat_integration.network import Deadline, DeadlineBackend, keep_deadline

MAX_RETRY_AFTER_SECONDS = 300
PAUSES_BEFORE_REPEAT_SECONDS = (0.1, 0.3)
_SEALED_QUERY = "wechat_integration.sealed_query"
_KEEPALIVE_SECONDS = 20.0
_MOST_DIGITS = 18
_Outcome = TypeVar("_Outcome")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What one call may cost.

    ``total_seconds`` holds for a whole public call, with its retries and its token request; the
    default leaves 0.2 s of the promised 3 s for the caller. ``connections`` bounds how many
    threads one slow service can hold; who finds no free one waits ``slot_wait_seconds``.
    """

    connect_seconds: float = 1.0
    read_seconds: float = 2.5
    total_seconds: float = 2.8
    slot_wait_seconds: float = 0.25
    answer_bytes: int = 1_000_000
    connections: int = 8


DEFAULT_LIMITS = CallLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A request; only the method and the path show in ``repr``."""

    method: Literal["GET", "POST"]
    path: str
    sealed_query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A complete answer of at most ``CallLimits.answer_bytes``; the body never shows."""

    status: int
    body: bytes = field(repr=False)
    retry_after_seconds: int | None = None


class HttpFailure(Exception):
    """No usable answer; ``reason`` is a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestNotSent(HttpFailure):
    """The connection never stood: not a byte of the request left, so it may be repeated."""


class NoFreeSlot(HttpFailure):
    """All connections are held by other calls: our own limit, nothing was sent."""


class AnswerLost(HttpFailure):
    """The request left, and no complete answer came: it may have taken effect."""


class AnswerUnusable(HttpFailure):
    """The answer is larger than allowed or compressed although nobody asked for that."""


class BoundedHttp:
    """A client of one service, safe to share between threads."""

    def __init__(
        self,
        *,
        base_url: str,
        limits: CallLimits = DEFAULT_LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        """Prepare the connection pool; no connection is made yet.

        ``ssl_context`` replaces the default trust in public authorities (for a private one).
        Raises ValueError unless the URL is https, or http to this machine itself, or
        ``allow_plain_http`` says that the network between is trusted.
        """
        _require_safe_url(base_url, allow_plain_http=allow_plain_http)
        self.limits = limits
        self._transport = _SealingTransport(limits, ssl_context)
        self._client = httpx.Client(
            base_url=base_url,
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"accept-encoding": "identity", "user-agent": "integrity-card"},
        )

    def send(self, *, call: HttpCall, deadline: Deadline) -> HttpAnswer:
        """Make the call once and return its answer, whatever its HTTP status.

        Raises a kind of HttpFailure. It is raised outside the handler, so that no exception of
        the HTTP library, which carries the whole request, hangs on to it.
        """
        outcome = self._attempt(call, deadline)
        if isinstance(outcome, HttpFailure):
            raise outcome
        return outcome

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _attempt(self, call: HttpCall, deadline: Deadline) -> HttpAnswer | HttpFailure:
        if deadline.left_seconds() <= 0:
            return RequestNotSent("budget_spent")
        try:
            with keep_deadline(deadline):
                return self._exchange(call, deadline)
        except _NEVER_SENT as failure:
            late = isinstance(failure, httpx.ConnectTimeout)
            return RequestNotSent("connect_timeout" if late else "connect_failed")
        except httpx.PoolTimeout:
            return NoFreeSlot("too_many_calls")
        except httpx.TimeoutException:
            return AnswerLost("timeout")
        except httpx.HTTPError:
            return AnswerLost("connection_lost")

    def _exchange(self, call: HttpCall, deadline: Deadline) -> HttpAnswer | HttpFailure:
        request = self._request(call, deadline)
        response = self._client.send(request, stream=True)
        try:
            return _read(response, self.limits.answer_bytes)
        finally:
            response.close()

    def _request(self, call: HttpCall, deadline: Deadline) -> httpx.Request:
        limits, left = self.limits, deadline.left_seconds()
        return self._client.build_request(
            call.method,
            call.path,
            headers=dict(call.headers),
            content=call.body,
            timeout=httpx.Timeout(
                connect=limits.connect_seconds,
                read=limits.read_seconds,
                write=limits.read_seconds,
                pool=max(0.0, min(limits.slot_wait_seconds, left)),
            ),
            extensions={_SEALED_QUERY: call.sealed_query},
        )


class _SealingTransport(httpx.HTTPTransport):
    """Adds the sealed query below the client, over sockets that keep the deadline."""

    def __init__(self, limits: CallLimits, ssl_context: ssl.SSLContext | None) -> None:
        trust = _public_authorities() if ssl_context is None else ssl_context
        super().__init__(verify=trust, trust_env=False)
        self._backend = DeadlineBackend()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust,
            max_connections=limits.connections,
            max_keepalive_connections=limits.connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=self._backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sealed = request.extensions.get(_SEALED_QUERY, {})
        return super().handle_request(
            httpx.Request(
                request.method,
                request.url.copy_merge_params(sealed) if sealed else request.url,
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )

    def close(self) -> None:
        super().close()
        self._backend.close()


@cache
def _public_authorities() -> ssl.SSLContext:
    """Load the public certificate authorities once: it takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


def repeated(
    *, attempt: Callable[[], _Outcome], may_repeat: Callable[[_Outcome], bool], deadline: Deadline
) -> _Outcome:
    """Return the first outcome that may not be repeated, or the one of the last attempt.

    There are at most two repeats, after 0.1 s and 0.3 s, and none that the deadline would cut.
    """
    outcome = attempt()
    for pause_seconds in PAUSES_BEFORE_REPEAT_SECONDS:
        if not may_repeat(outcome) or deadline.left_seconds() <= pause_seconds:
            break
        time.sleep(pause_seconds)
        outcome = attempt()
    return outcome


def _read(response: httpx.Response, most_bytes: int) -> HttpAnswer | AnswerUnusable:
    if response.headers.get("content-encoding", "identity") != "identity":
        return AnswerUnusable("encoded")
    if _whole_number(response.headers.get("content-length"), most=most_bytes + 1) > most_bytes:
        return AnswerUnusable("too_large")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > most_bytes:
            return AnswerUnusable("too_large")
    wait = _whole_number(response.headers.get("retry-after"), most=MAX_RETRY_AFTER_SECONDS)
    return HttpAnswer(
        status=response.status_code, body=bytes(body), retry_after_seconds=wait or None
    )


def _whole_number(text: str | None, *, most: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()):
        return 0
    return most if len(text) > _MOST_DIGITS else min(int(text), most)


def _require_safe_url(base_url: str, *, allow_plain_http: bool) -> None:
    url = httpx.URL(base_url)
    plain_is_safe = allow_plain_http or _is_this_machine(url.host)
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and plain_is_safe)):
        message = "the service's address must be https (plain http only to this machine)"
        raise ValueError(message)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""One POST to a place that a merchant named: pinned, bounded, and nothing believed.

The connection goes to an address that the guard checked, under the name's certificate; redirects
are answers like others, proxies of the environment are not asked, and no byte of the body of an
answer is read.  This module knows no room.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import httpcore
import httpx

from app.webhooks.addresses import AddressRefused, Guard, Place

ADDRESSES_TRIED = 2
_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


@dataclass(frozen=True)
class SendLimits:
    """What one attempt may cost; `total_seconds` holds for all of it, the look-up included."""

    resolve_seconds: float = 3.0
    connect_seconds: float = 3.0
    read_seconds: float = 8.0
    total_seconds: float = 12.0
    answer_bytes: int = 65_536


DEFAULT_LIMITS = SendLimits()


@dataclass(frozen=True)
class Parcel:
    """What goes to whom; the URL, the signature and the body never show in `repr`."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the status of an answer, or else a short word for why none came.

    The words: address_refused, connect_failed, tls_failed, timeout, connection_lost, bad_answer.
    """

    status: int | None
    error: str | None
    duration_ms: int

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and httpx.codes.is_success(self.status)


class Sender:
    """Sends parcels, each over a connection of its own; safe between threads.

    `trust` replaces the public certificate authorities (for a private one).
    """

    def __init__(
        self,
        guard: Guard,
        *,
        limits: SendLimits = DEFAULT_LIMITS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.guard = guard
        self.limits = limits
        self._trust = trust

    def send(self, parcel: Parcel) -> Outcome:
        """Send once; whatever comes of it is told, not raised."""
        started = time.monotonic()
        status: int | None = None
        error: str | None = None
        try:
            status = self._exchange(parcel, started + self.limits.total_seconds)
        except AddressRefused:
            error = "address_refused"
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
            error = _why_not_connected(failure)
        except httpcore.TimeoutException:
            error = "timeout"
        except httpcore.NetworkError:
            error = "connection_lost"
        except httpcore.ProtocolError:
            error = "bad_answer"
        return Outcome(status, error, round((time.monotonic() - started) * 1000))

    def _exchange(self, parcel: Parcel, ends_at: float) -> int:
        limits = self.limits
        place = self.guard.locate(parcel.url, seconds=limits.resolve_seconds)
        trust = None if place.scheme == "http" else self._trust or _public_authorities()
        pinned = _PinnedBackend(place, ends_at, limits.answer_bytes)
        waits = {
            "connect": limits.connect_seconds, "read": limits.read_seconds,
            "write": limits.read_seconds, "pool": limits.connect_seconds,
        }
        url = httpcore.URL(
            scheme=place.scheme, host=place.host, port=place.port, target=place.target
        )
        with (
            httpcore.ConnectionPool(
                ssl_context=trust, max_connections=1, network_backend=pinned
            ) as pool,
            pool.stream(
                "POST", url, headers=list(parcel.headers.items()), content=parcel.body,
                extensions={"timeout": waits},
            ) as answer,
        ):
            return int(answer.status)


def _why_not_connected(failure: Exception) -> str:
    if isinstance(failure, httpcore.ConnectTimeout):
        return "timeout"
    return "tls_failed" if isinstance(failure.__context__, ssl.SSLError) else "connect_failed"


@cache
def _public_authorities() -> ssl.SSLContext:
    """Load the public certificate authorities once: it takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class _BoundedStream(httpcore.NetworkStream):
    """A connection that ends at a moment, and after a number of bytes read."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float, bytes_left: int) -> None:
        self._stream = stream
        self._ends_at = ends_at
        self._bytes_left = bytes_left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._bytes_left <= 0:
            raise httpcore.RemoteProtocolError
        wait = _wait(self._ends_at, timeout, httpcore.ReadTimeout)
        received = self._stream.read(min(max_bytes, self._bytes_left), wait)
        self._bytes_left -= len(received)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _wait(self._ends_at, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        wait = _wait(self._ends_at, timeout, httpcore.ConnectTimeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, wait)
        return _BoundedStream(secured, self._ends_at, self._bytes_left)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _PinnedBackend(httpcore.SyncBackend):
    """Connects to the checked addresses of one place, whatever the name means by now."""

    def __init__(self, place: Place, ends_at: float, answer_bytes: int) -> None:
        self._place = place
        self._ends_at = ends_at
        self._answer_bytes = answer_bytes

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        assert (host, port) == (self._place.host, self._place.port), "one place, one connection"
        failure: httpcore.NetworkError | httpcore.TimeoutException = httpcore.ConnectError()
        for address in self._place.addresses[:ADDRESSES_TRIED]:
            wait = _wait(self._ends_at, timeout, httpcore.ConnectTimeout)
            try:
                plain = super().connect_tcp(address, port, wait, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as missed:
                failure = missed
            else:
                return _BoundedStream(plain, self._ends_at, self._answer_bytes)
        raise failure


def _wait(ends_at: float, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise late
    return left if timeout is None else min(left, timeout)

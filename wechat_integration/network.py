"""Sockets that keep to one deadline for a whole call, the name look-up included.

An HTTP client's timeouts hold for one read at a time: a server that sends a byte now and then
can keep a caller for hours. Here every connect, read and write may last at most until the
deadline that was set around the call.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpcore

if TYPE_CHECKING:
    import ssl

MAX_ADDRESSES_TRIED = 4
RESOLVER_THREADS = 4
_SMALLEST_WAIT_SECONDS = 0.001
_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment, on the monotonic clock of this process, when a call must be over."""

    ends_at_seconds: float

    @classmethod
    def after(cls, *, seconds: float) -> Deadline:
        """Return the deadline that lies this many seconds ahead."""
        return cls(time.monotonic() + seconds)

    def left_seconds(self) -> float:
        """Return how many seconds are left: zero or less when it has passed."""
        return self.ends_at_seconds - time.monotonic()

    def capped(self, *, seconds: float) -> Deadline:
        """Return the earlier of this deadline and the one that many seconds ahead."""
        return Deadline(min(self.ends_at_seconds, time.monotonic() + seconds))


_current: ContextVar[Deadline | None] = ContextVar("_current", default=None)


@contextmanager
def keep_deadline(deadline: Deadline) -> Iterator[None]:
    """Hold every socket operation of this thread to the deadline while the block runs."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def _wait_seconds(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    deadline = _current.get()
    if deadline is None:
        return timeout
    left = deadline.left_seconds()
    if left <= _SMALLEST_WAIT_SECONDS:
        raise late
    return left if timeout is None else min(left, timeout)


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadline of the thread that uses it."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read once; raises ``httpcore.ReadTimeout`` at the deadline."""
        return self._stream.read(max_bytes, _wait_seconds(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all; raises ``httpcore.WriteTimeout`` at the deadline."""
        self._stream.write(buffer, _wait_seconds(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> DeadlineStream:
        """Begin TLS; raises ``httpcore.ConnectTimeout`` at the deadline."""
        wait = _wait_seconds(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, wait))

    def get_extra_info(self, info: str) -> object:
        """Return what the wrapped connection knows about itself."""
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.SyncBackend):
    """Opens connections whose look-up, connect, reads and writes keep to the deadline."""

    def __init__(self) -> None:
        self._resolver = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> DeadlineStream:
        """Connect to the first address of the host that answers; each may take ``timeout``.

        Raises ``httpcore.ConnectError`` or ``ConnectTimeout``; nothing has been sent then.
        """
        failure: httpcore.NetworkError | httpcore.TimeoutException = httpcore.ConnectError()
        for address in self._addresses(host, port, timeout):
            wait = _wait_seconds(timeout, httpcore.ConnectTimeout)
            try:
                plain = super().connect_tcp(address, port, wait, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as missed:
                failure = missed
            else:
                return DeadlineStream(plain)
        raise failure

    def close(self) -> None:
        """Let the look-up threads end; one that is stuck ends with its look-up."""
        self._resolver.shutdown(wait=False, cancel_futures=True)

    def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        if _is_address(host):
            return [host]
        found = self._resolver.submit(_look_up, host, port)
        try:
            return found.result(_wait_seconds(timeout, httpcore.ConnectTimeout))
        except TimeoutError:
            found.cancel()
            raise httpcore.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError from None


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:MAX_ADDRESSES_TRIED]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

"""A small closed-loop HTTP load generator: keep-alive connections, one request in flight on each.

It sends prepared bytes and reads just enough of an answer to find its end, so that its own cost
stays small beside what it measures; that cost is the same for every route of a run.  It speaks to
loopback only and stops by itself, after a count of requests or a number of seconds.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"
READ_BYTES = 65_536
ANSWER_SECONDS_MAX = 15


@dataclass
class LoadResult:
    """What came back: answers, seconds on the wall, status counts, latencies in milliseconds."""

    answers: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    samples: dict[int, bytes] = field(default_factory=dict)  # one whole answer per status

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds if self.seconds else 0.0

    def quantile_ms(self, share: float) -> float:
        """The latency that this share of the answers stayed within, in milliseconds."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """The status once the whole answer is there, else None."""
        chunk = self.socket.recv(READ_BYTES)
        if not chunk:
            message = "the server closed a connection in mid-answer"
            raise ConnectionError(message)
        self.received += chunk
        head, found, body = self.received.partition(HEAD_END)
        if not found:
            return None
        lowered = head.lower()
        at = lowered.index(b"content-length:") + 15
        end = lowered.find(b"\r\n", at)
        length = int(head[at : end if end >= 0 else None])
        return int(head[9:12]) if len(body) >= length else None


def run_load(
    *,
    port: int,
    requests: Iterator[bytes],
    connections: int = 16,
    seconds: float = 2.0,
    interval_seconds: float = 0.0,
) -> LoadResult:
    """Send requests until they run out or the time is up; in-flight answers are waited for.

    `interval_seconds` paces the whole of it (one request per interval) for latency at part load.
    """
    result = LoadResult()
    chosen = selectors.DefaultSelector()
    idle = [_Connection(port) for _ in range(connections)]
    open_connections = list(idle)
    for connection in idle:
        chosen.register(connection.socket, selectors.EVENT_READ, connection)
    started = time.perf_counter()
    due = started
    in_flight = 0
    running = True
    try:
        while running or in_flight:
            now = time.perf_counter()
            running = running and now - started < seconds
            while running and idle and now >= due:
                request = next(requests, None)
                if request is None:
                    running = False
                    break
                idle.pop(0).send(request)  # in turn, so that none is idle until it is closed
                in_flight += 1
                due = max(due + interval_seconds, started) if interval_seconds else due
            if not in_flight:
                time.sleep(max(0.0, min(due - now, 0.01)))
                continue
            paced = running and interval_seconds
            patience = interval_seconds if paced else ANSWER_SECONDS_MAX
            for key, _ in chosen.select(patience):
                status = key.data.receive()
                if status is None:
                    continue
                result.answers += 1
                result.statuses[status] += 1
                result.samples.setdefault(status, key.data.received)
                result.latencies_ms.append((time.perf_counter() - key.data.sent_at) * 1000)
                idle.append(key.data)
                in_flight -= 1
    finally:
        chosen.close()
        for connection in open_connections:
            connection.socket.close()
    result.seconds = time.perf_counter() - started
    return result


def request_bytes(
    *, method: str, path: str, token: str | None = None, body: bytes | None = None
) -> bytes:
    """The bytes of one keep-alive request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + HEAD_END + (body or b"")

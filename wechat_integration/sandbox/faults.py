"""Faults that a test or a demo puts between a caller and the sandbox's answers."""

from __future__ import annotations

import enum
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import Response, request

SPOILT_BODY_BYTES = 64_000_000
_CHUNK_BYTES = 65_536
_DRIP_SECONDS = 0.2
_DRIP_CHUNKS = 150


class FaultKind(enum.Enum):
    """DOWN closes the connection without an answer; HANG is slow but then answers rightly.

    GARBAGE is not JSON, HUGE is 64 MB, DRIP sends a byte now and then, BUSY is errcode -1,
    UNAVAILABLE is HTTP 503 with Retry-After, REDIRECT points elsewhere.
    """

    DOWN = "down"
    UNAVAILABLE = "unavailable"
    HANG = "hang"
    GARBAGE = "garbage"
    HUGE = "huge"
    DRIP = "drip"
    BUSY = "busy"
    REDIRECT = "redirect"


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault for the next ``requests`` calls (None: until cleared) of a path (None: all).

    With ``takes_effect`` the call is carried out first and only its answer is spoilt.
    """

    kind: FaultKind
    path: str | None = None
    requests: int | None = None
    seconds: float = 0.0
    takes_effect: bool = False


class Faults:
    """The faults in force; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._released = threading.Event()

    def add(self, fault: Fault) -> None:
        """Put a fault in force, behind the earlier ones of the same path."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Lift all faults and let the hanging requests go on."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = threading.Event()

    def take(self, path: str) -> Fault | None:
        """Return the fault that meets a request of this path, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.path in {None, path}:
                    self._count(fault)
                    return fault
        return None

    def hang(self, seconds: float) -> None:
        """Wait that long, or until the faults are cleared."""
        with self._lock:
            released = self._released
        released.wait(seconds)

    def _count(self, fault: Fault) -> None:
        if fault.requests is None:
            return
        fault.requests -= 1
        if fault.requests <= 0:
            self._faults.remove(fault)


def spoilt_answer(kind: FaultKind) -> Response:
    """Return what the caller sees instead of an answer; DOWN closes its connection."""
    if kind is FaultKind.DOWN:
        _hang_up()
    body, status, headers = _SPOILT[kind]()
    return Response(body, status, headers, mimetype="application/json")


def _hang_up() -> None:
    connection = request.environ["werkzeug.socket"]
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)


def _huge() -> Iterator[bytes]:
    for _ in range(SPOILT_BODY_BYTES // _CHUNK_BYTES):
        yield b"x" * _CHUNK_BYTES


def _drip() -> Iterator[bytes]:
    for _ in range(_DRIP_CHUNKS):
        yield b" "
        time.sleep(_DRIP_SECONDS)


_BUSY_BODY = json.dumps({"errcode": -1, "errmsg": "system error"}).encode()
_Spoilt = tuple[bytes | Iterator[bytes], int, dict[str, str]]
_SPOILT: dict[FaultKind, Callable[[], _Spoilt]] = {
    FaultKind.DOWN: lambda: (b"", 500, {}),
    FaultKind.UNAVAILABLE: lambda: (b"upstream is down", 503, {"retry-after": "7"}),
    FaultKind.GARBAGE: lambda: (b"<html>\xff\x00 not json", 200, {}),
    FaultKind.HUGE: lambda: (_huge(), 200, {}),
    FaultKind.DRIP: lambda: (_drip(), 200, {}),
    FaultKind.BUSY: lambda: (_BUSY_BODY, 200, {}),
    FaultKind.REDIRECT: lambda: (b"", 302, {"location": "/sandbox/elsewhere"}),
}

"""The TCP side of SIP2: one thread a connection, and a limit for everything.

A line, the time it takes, the time between two, the login, the handshake and the number of
connections are limited; what is over a limit ends its connection, and no other notices.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import socketserver
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flask import Flask

from app.kernel.keys import KeyProvider
from app.library.sip2_answers import Conversation
from app.web.limits import LocalWindows
from app.web.logs import place

log = logging.getLogger(__name__)

LINE_MAX_BYTES: Final = 2_048
_CHUNK_BYTES: Final = 4_096
_LOOK_SECONDS: Final = 0.5  # between looks whether the server stops


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds, and how many connections there may be."""

    connections: int = 64
    handshake_seconds: float = 5
    login_seconds: float = 15  # from the connection to the login
    line_seconds: float = 10  # from the first byte of a message to its end; and for an answer
    idle_seconds: float = 900  # between two messages


class UnsafeAddressError(ValueError):
    """The address is not this machine's own, and there is no certificate."""


class _EndedError(ConnectionError):
    """The connection is over: `reason` says why, None when the machine went."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "closed")
        self.reason = reason


def tls_context(*, certificate: Path, private_key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate (PEM, with its chain)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, private_key)
    return context


class Sip2Server(socketserver.ThreadingTCPServer):
    """Answers machines until `shutdown`; then `server_close` waits for the answers on their way.

    UnsafeAddressError for an address of the network without TLS: passwords and codes would be open.
    """

    allow_reuse_address = True
    request_queue_size = 64
    daemon_threads = False
    block_on_close = True

    def __init__(
        self,
        address: tuple[str, int],
        *,
        app: Flask,
        keys: KeyProvider,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        if tls is None and not ipaddress.ip_address(address[0]).is_loopback:
            raise UnsafeAddressError
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.app, self.keys, self.tls = app, keys, tls
        self.limits = limits or Limits()
        self.windows = LocalWindows()
        self.stopping = threading.Event()
        self._places = threading.BoundedSemaphore(self.limits.connections)
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, or its end when there are too many."""
        if not self._places.acquire(blocking=False):
            log.warning("sip2 connections at their limit")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What nobody expected: the class and the place, never the message."""
        del request, client_address
        error = sys.exception()
        if error is not None:
            where = place(error.__traceback__)
            log.error("unexpected error", extra={"error_class": type(error).__name__, "at": where})

    def shutdown(self) -> None:
        """Take no more connections, and let those that are there end."""
        self.stopping.set()
        super().shutdown()


class _Connection(socketserver.BaseRequestHandler):
    """One machine, or somebody who says so."""

    server: Sip2Server
    request: socket.socket

    def handle(self) -> None:
        """Answer line after line."""
        limits = self.server.limits
        try:
            stream = self._secured()
            conversation = Conversation(
                self.server.app, keys=self.server.keys, windows=self.server.windows
            )
            lines = _Lines(stream, self.server.stopping, limits.line_seconds)
            login_by = time.monotonic() + limits.login_seconds
            ended = False
            while not ended:
                idle_until = time.monotonic() + limits.idle_seconds
                by = idle_until if conversation.is_logged_in else login_by
                reply = conversation.answer(lines.next_line(by))
                if reply.content is not None:
                    stream.settimeout(limits.line_seconds)
                    stream.sendall(reply.content)
                ended = reply.ends
        except _EndedError as end:
            if end.reason is not None:
                log.warning("sip2 connection ended", extra={"why": end.reason})
        except OSError as error:  # it went, does not read, or speaks no TLS
            log.info("sip2 connection lost", extra={"error_class": type(error).__name__})

    def finish(self) -> None:
        """Close what `handle` spoke through: the TLS around the socket is not the server's."""
        self.request.close()

    def _secured(self) -> socket.socket:
        if self.server.tls is None:
            return self.request
        self.request.settimeout(self.server.limits.handshake_seconds)
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        return self.request


class _Lines:
    """Lines that end with CR; a LF after it is passed over."""

    def __init__(
        self, stream: socket.socket, stopping: threading.Event, line_seconds: float
    ) -> None:
        self._stream = stream
        self._stopping = stopping
        self._line_seconds = line_seconds
        self._held = bytearray()

    def next_line(self, begins_by: float) -> bytes:
        """The next line without its end.

        `begins_by`: when, by the monotonic clock, its first byte must be here.  _EndedError.
        """
        ends_by = None
        while True:
            self._held = self._held.lstrip(b"\r\n")
            end = self._held.find(b"\r")
            if end > LINE_MAX_BYTES or (end < 0 and len(self._held) > LINE_MAX_BYTES):
                raise _EndedError("line too long")
            if end >= 0:
                line = bytes(self._held[:end])
                del self._held[: end + 1]
                return line
            if self._held and ends_by is None:
                ends_by = min(begins_by, time.monotonic() + self._line_seconds)
            self._receive(begins_by if ends_by is None else ends_by)

    def _receive(self, by: float) -> None:
        left = by - time.monotonic()
        if left <= 0:
            raise _EndedError("too slow" if self._held else "idle")
        if self._stopping.is_set():
            raise _EndedError
        self._stream.settimeout(min(left, _LOOK_SECONDS))
        try:
            received = self._stream.recv(_CHUNK_BYTES)
        except TimeoutError:
            return
        if not received:
            raise _EndedError
        self._held += received

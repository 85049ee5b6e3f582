"""An ordinary self-service machine: the SIP2 client of PyPI, and a socket for what it never sends.

The client (`sip2` 1.1) is used as it is but for its own defects, which are mended here: it writes
every message into a log file in the working directory; it takes one `recv` for a whole answer; its
check of checksums finds nothing wrong, and sums characters instead of bytes; it trusts whatever
certificate a server shows; it prints when it is forgotten.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from flask import Flask
from Sip2.sip2 import Sip2
from Sip2.wrapper import Sip2Wrapper

from app.library.sip2_server import Limits, Sip2Server
from tests.redemptions.builders import keys_of

QUICK = Limits(
    connections=8, handshake_seconds=2, login_seconds=0.5, line_seconds=0.5, idle_seconds=2
)


class MendedClient(Sip2):
    """The client of PyPI without its defects."""

    def __init__(
        self, port: int, *, encoding: str = "utf-8", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__()
        self.hostName, self.hostPort, self.hostEncoding = "127.0.0.1", port, encoding
        self.tlsEnable = tls is not None
        self._trusted = tls
        self._socket: socket.socket | None = None
        self.log = logging.getLogger("sip2 client")
        self.log.addHandler(logging.NullHandler())
        self.log.propagate = False

    def connect(self) -> bool:
        plain = socket.create_connection((self.hostName, self.hostPort), self.socketTimeout)
        self._socket = plain if self._trusted is None else self._trusted.wrap_socket(
            plain, server_hostname="localhost"
        )
        return True

    def get_response(self, request: str) -> str:
        assert self._socket is not None
        self._socket.settimeout(self.socketTimeout)
        self._socket.sendall(request.encode(self.hostEncoding))
        answer = read_line(self._socket)
        assert not self.withCrc or (sum(answer[:-4]) + int(answer[-4:], 16)) & 0xFFFF == 0
        self.last_response = answer.decode(self.hostEncoding) + "\r"
        return self.last_response

    def _crc_calc(self, msg: str) -> str:
        return f"{-sum(msg.encode(self.hostEncoding)) & 0xFFFF:04X}"

    def disconnect(self) -> bool:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        return True

    def __del__(self) -> None:
        self.disconnect()


class MendedWrapper(Sip2Wrapper):
    """The client's own programme of a machine, over the mended connection."""

    def __init__(self, client: MendedClient) -> None:
        super().__init__(autoConnect=False)
        self._sip2 = client
        self.connect()

    def __del__(self) -> None:
        self.disconnect()


def read_line(stream: socket.socket) -> bytes:
    """One answer without its end; empty when the server has ended the connection."""
    held = b""
    while not held.endswith(b"\r"):
        received = stream.recv(4_096)
        if not received:
            return b""
        held += received
    return held[:-1]


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.create_connection(("127.0.0.1", port), 5) as stream:
        yield stream


def say(stream: socket.socket, message: str, *, encoding: str = "utf-8") -> bytes:
    """Send a line as it is; the answer."""
    stream.sendall(message.encode(encoding) + b"\r")
    return read_line(stream)


def login_text(machine: dict[str, Any]) -> str:
    """The login message of a machine, without a checksum."""
    return f"9300CN{machine['machine']['machine_id']}|CO{machine['secret']}|CP大厅|"


def info_text(scanned: str) -> str:
    """Patron information, without a checksum."""
    return f"6300020261129    120000          AO|AA{scanned}|"


@contextmanager
def serving(
    app: Flask, *, limits: Limits = QUICK, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The endpoint on a free port."""
    server = Sip2Server(
        ("127.0.0.1", 0), app=app, keys=keys_of(app), limits=limits, tls=tls
    )
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    with server:
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()

"""A proxy on a loopback port that can refuse, hang or slow down what passes through it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

CHUNK_BYTES = 65_536
TICK_SECONDS = 0.05
CONNECT_SECONDS_MAX = 5


class Fault(Enum):
    """What the proxy does to its connections."""

    NONE = "none"
    REFUSE = "refuse"  # new connections are closed at once, open ones are cut
    HANG = "hang"  # bytes are taken and never passed on


class Proxy:
    """Passes bytes between its own port and a target; `fault` may change at any time.

    The target is a host and port, or the path of a Unix socket.
    """

    def __init__(self, *, target: tuple[str, int] | str) -> None:
        self._target = target
        self.connections = 0  # that were asked for
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TICK_SECONDS)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.port = int(self._listener.getsockname()[1])
        self.fault = Fault.NONE
        self.delay_seconds = 0.0
        self._start(self._accept)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            if self.fault is Fault.REFUSE:
                client.close()
            else:
                self._start(self._pass, client)

    def _pass(self, client: socket.socket) -> None:
        with (
            client, contextlib.suppress(OSError), self._connect() as server,
            selectors.DefaultSelector() as chosen,
        ):
            chosen.register(client, selectors.EVENT_READ, server)
            chosen.register(server, selectors.EVENT_READ, client)
            while not self._closing.is_set() and self.fault is not Fault.REFUSE:
                if self.fault is Fault.HANG:
                    self._closing.wait(TICK_SECONDS)
                elif not self._pass_ready(chosen):
                    return

    def _connect(self) -> socket.socket:
        family = socket.AF_INET if isinstance(self._target, tuple) else socket.AF_UNIX
        server = socket.socket(family)
        try:
            server.settimeout(CONNECT_SECONDS_MAX)
            server.connect(self._target)
        except OSError:
            server.close()
            raise
        return server

    def _pass_ready(self, chosen: selectors.DefaultSelector) -> bool:
        for key, _ in chosen.select(TICK_SECONDS):
            assert isinstance(key.fileobj, socket.socket)
            chunk = key.fileobj.recv(CHUNK_BYTES)
            if not chunk:
                return False
            if self.delay_seconds:
                time.sleep(self.delay_seconds)
            key.data.sendall(chunk)
        return True

    def close(self) -> None:
        """Stop everything."""
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._listener.close()


@contextmanager
def proxy_to(target: tuple[str, int] | str) -> Iterator[Proxy]:
    """A proxy to a host and port, or to a socket's path, for the duration of the block."""
    made = Proxy(target=target)
    try:
        yield made
    finally:
        made.close()

"""A socket server that answers exactly the bytes a test wants: what no web framework would send."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

Answer = Callable[[str], Iterable[bytes]]
MAX_REQUEST_BYTES = 100_000


class RawServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.tls = tls
        self.paths: list[str] = []
        self.heads: list[bytes] = []
        self.sent_bytes = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up is what the tests want."""


class _Handler(socketserver.BaseRequestHandler):
    server: RawServer

    def setup(self) -> None:
        self.request.settimeout(5)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)

    def handle(self) -> None:
        head = self._read_request()
        path = head.split(b" ")[1].split(b"?")[0].decode()
        self.server.paths.append(path)
        self.server.heads.append(head)
        for part in self.server.answer(path):
            self.request.sendall(part)
            self.server.sent_bytes += len(part)

    def finish(self) -> None:
        self.request.close()

    def _read_request(self) -> bytes:
        received = bytearray()
        while len(received) < MAX_REQUEST_BYTES:
            received += self.request.recv(65_536)
            head, end, body = bytes(received).partition(b"\r\n\r\n")
            if end and len(body) >= _content_length(head):
                return head
        return b""


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


@contextmanager
def raw_server(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    with RawServer(answer, tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def plain_answer(
    body: bytes, *, headers: str = "", content_type: str = "application/json"
) -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n{headers}\r\n"
    return [head.encode(), body]


def json_answer(document: object) -> list[bytes]:
    return plain_answer(json.dumps(document).encode())

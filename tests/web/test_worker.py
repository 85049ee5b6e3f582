"""S42, S43: what is no request gets a problem document from a real server, quoted nowhere."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gunicorn.http import errors

from app.config import Settings
from app.web.worker import status_of
from demo.servers import free_port
from tests.conftest import ROOT
from tests.house.test_production import variables_of

CANARY = "13800138000"
TOO_LONG = CANARY * 1_000
UNREADABLE = {
    "no version": (f"GET /api/v1/x?phone={CANARY}\r\n\r\n", 400),
    "unknown version": (f"GET /?phone={CANARY} HTTP/9.9\r\n\r\n", 400),
    "no colon": (f"GET / HTTP/1.1\r\nAuthorization Bearer {CANARY}\r\n\r\n", 400),
    "bad method": (f"G{CANARY}\x01T / HTTP/1.1\r\n\r\n", 400),
    "long line": (f"GET /?phone={TOO_LONG} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "long header": (f"GET / HTTP/1.1\r\nHost: x\r\nX-Phone: {TOO_LONG}\r\n\r\n", 431),
    "unknown coding": (f"POST / HTTP/1.1\r\nTransfer-Encoding: {CANARY}\r\n\r\n", 501),
}


@dataclass(frozen=True)
class Server:
    """A web service as in production."""

    port: int
    log: Path

    def ask(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """The status line, the headers (lower-case names) and the body of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(text.encode())
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return status, {name.lower(): value for name, _, value in pairs}, body


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("worker")
    served = Server(free_port(), directory / "log")
    environment = {
        **os.environ, **variables_of(settings), "CARD_WEB_WORKERS": "1",
        "CARD_WEB_BIND": f"127.0.0.1:{served.port}", "PROMETHEUS_MULTIPROC_DIR": str(directory),
    }
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    with served.log.open("wb") as log:
        process = subprocess.Popen(
            [gunicorn, "--config", "gunicorn.conf.py"], cwd=ROOT, env=environment, stderr=log,
        )
    try:
        _wait_until_it_answers(served)
        yield served
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            status, _, _ = server.ask("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        except OSError:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.1)
        else:
            assert status == "HTTP/1.1 200 OK"
            return


@pytest.mark.parametrize("what", UNREADABLE)
def test_s42_s43_what_is_no_request_is_a_problem_and_is_quoted_nowhere(
    server: Server, what: str
) -> None:
    text, expected = UNREADABLE[what]
    status, headers, body = server.ask(text)
    assert status.split()[1] == str(expected)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    problem = json.loads(body)
    assert problem["status"] == expected
    assert (ROOT / "docs/problems" / f"{problem['code']}.md").exists()
    told = server.log.read_text()
    assert CANARY not in told + body.decode()
    lines = [json.loads(line) for line in told.splitlines()]
    [line] = [one for one in lines if one.get("request_id") == headers["x-request-id"]]
    assert (line["status"], line["route"]) == (expected, "unmatched")


def test_what_fails_in_between_is_our_fault() -> None:
    assert status_of(ValueError()) == 500
    assert status_of(errors.InvalidResponseHeader("X")) == 500

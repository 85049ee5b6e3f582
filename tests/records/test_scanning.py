"""S31: files go through the scanner; a stand-in speaks clamd's protocol over a real socket."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading
from app.records import scanning
from app.records.scanning import FileInfected, Scanner, ScannerUnavailable
from demo.servers import free_port
from tests.members.api import bearer, staff_tokens
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, build_programme, csv_file

# In two halves, so that scanners leave this file alone.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + rb"ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass
class StandIn:
    """Reads streams and answers as clamd does; `answer` replaces what it says."""

    url: str
    answer: bytes | None = None
    silent: bool = False
    streams: list[bytes] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        assert stream.read(10) == b"zINSTREAM\0"
        content = b""
        while size := struct.unpack("!L", stream.read(4).ljust(4, b"\0"))[0]:
            content += stream.read(size)
        self.streams.append(content)
        if self.silent:
            stream.read()  # until the other side gives up
            return
        told = b"stream: Eicar-Test-Signature FOUND" if EICAR in content else b"stream: OK"
        stream.write((self.answer if self.answer is not None else told) + b"\0")
        stream.flush()


def stand_in(listener: socket.socket, url: str) -> Iterator[StandIn]:
    clamd = StandIn(url)
    thread = threading.Thread(target=clamd.serve, args=(listener,))
    thread.start()
    yield clamd
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=5)


@pytest.fixture
def clamd() -> Iterator[StandIn]:
    listener = socket.create_server(("127.0.0.1", 0))
    yield from stand_in(listener, f"tcp://127.0.0.1:{listener.getsockname()[1]}")


def look_at(url: str, *pieces: bytes, seconds: float = 5.0) -> None:
    scan = Scanner(url, answer_seconds=seconds).begin()
    for piece in pieces:
        scan.write(piece)
    scan.finish()


def test_a_clean_file_passes_whole(clamd: StandIn) -> None:
    pieces = [b"x" * 100_000, b"", b"y"]
    look_at(clamd.url, *pieces)
    assert clamd.streams == [b"".join(pieces)]


def test_eicar_is_refused_wherever_it_is_cut(clamd: StandIn) -> None:
    for at in (0, 1, 30, len(EICAR)):
        with pytest.raises(FileInfected):
            look_at(clamd.url, b"head" + EICAR[:at], EICAR[at:])


@pytest.mark.parametrize("answer", [
    b"INSTREAM size limit exceeded. ERROR", b"", b"stream: OK stream: OK", b"x" * 10_000,
])  # fmt: skip
def test_any_other_answer_is_none(clamd: StandIn, answer: bytes) -> None:
    clamd.answer = answer
    with pytest.raises(ScannerUnavailable):
        look_at(clamd.url, b"x")


def test_a_scanner_that_is_silent_or_gone(clamd: StandIn) -> None:
    clamd.silent = True
    with pytest.raises(ScannerUnavailable):
        look_at(clamd.url, b"x", seconds=0.2)
    with pytest.raises(ScannerUnavailable):
        look_at(f"tcp://127.0.0.1:{free_port()}", b"x")
    with pytest.raises(ScannerUnavailable):
        look_at("unix:///nowhere/clamd.sock", b"x")
    assert scanning.CONNECT_SECONDS <= 5


def test_a_unix_socket(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "c"))
    listener.listen()
    for clamd in stand_in(listener, f"unix://{tmp_path / 'c'}"):
        look_at(clamd.url, b"x")
        assert clamd.streams == [b"x"]


@pytest.fixture
def scanned(app: Flask, clamd: StandIn, monkeypatch: pytest.MonkeyPatch) -> Flask:
    configured = replace(app.extensions["card_settings"], clamd_url=clamd.url)
    monkeypatch.setitem(app.extensions, "card_settings", configured)
    return app


def counted() -> tuple[int, int]:
    """Deliveries and sealed files in the database."""
    with reading() as session:
        found = session.execute(text(
            "SELECT (SELECT count(*) FROM deliveries), (SELECT count(*) FROM delivery_uploads)"
        )).one()
    return int(found[0]), int(found[1])


def test_every_way_in_is_scanned(scanned: Flask, client: FlaskClient, clamd: StandIn) -> None:
    programme = build_programme(scanned)
    operator = bearer(staff_tokens(scanned, client)["access_token"])
    source = make_source(client, operator, HOURS)
    content = csv_file(HOURS, programme.hours("ZY-1", "2"))
    assert upload(client, source, content, record_type=HOURS).status_code == 200
    assert clamd.streams == [content]
    before = counted()
    rows = {"record_type": HOURS, "delivered_on": "2026-06-12",
            "delivery_id": "0190b6a8-0000-7000-8000-000000000000",
            "rows": [{"身份证号": EICAR.decode()}]}  # fmt: skip
    register = "/api/v1/register-imports"
    large = content + b"x" * 3_000_000 + EICAR  # more than a part: some of it is stored by then
    for answer in (
        upload(client, source, content + EICAR, record_type=HOURS),
        upload(client, source, large, record_type=HOURS),
        upload(client, operator, content + EICAR, url=register),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (422, "file_infected")
    assert len(clamd.streams) == 4
    # JSON escapes the backslash; what the scanner gets is what is kept.
    assert client.post("/api/v1/deliveries/rows", json=rows, headers=source).status_code == 200
    assert b"EICAR" in clamd.streams[-1]
    assert counted() == (before[0] + 1, before[1])


def test_without_the_scanner_nothing_is_taken(
    scanned: Flask, client: FlaskClient, clamd: StandIn
) -> None:
    build_programme(scanned)
    operator = bearer(staff_tokens(scanned, client)["access_token"])
    source = make_source(client, operator, HOURS)
    clamd.answer = b"Can't allocate memory ERROR"
    answer = upload(client, source, csv_file(HOURS), record_type=HOURS)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "scanner_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert counted() == (0, 0)

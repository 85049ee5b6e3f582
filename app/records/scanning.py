"""The virus scanner: clamd, which is sent a file while it arrives (INSTREAM), as its manual says.

Where a scanner is configured and does not answer, nothing is taken in: a file that nobody looked at
is not let through because the scanner is down.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from app.kernel.errors import Invalid, Unavailable

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 20.0  # without a byte from the scanner, or without taking one
ANSWER_MAX_BYTES = 4096
RETRY_SECONDS = 60
PORT = 3310
PIECE_BYTES = 1 << 16
_CLEAN = b"stream: OK"


class FileInfected(Invalid):
    """The scanner knows something harmful in the file."""

    code: ClassVar[str] = "file_infected"
    title: ClassVar[str] = "The virus scanner refuses the file"
    advice: ClassVar[str] = "文件未通过病毒检查，请在本单位查杀后重新报送。"


class ScannerUnavailable(Unavailable):
    """The scanner does not answer, or could not look at the whole file."""

    code: ClassVar[str] = "scanner_unavailable"
    title: ClassVar[str] = "The virus scanner does not answer"
    advice: ClassVar[str] = "病毒检查服务暂时不可用，文件未接收，请稍后重新报送。"


@dataclass(frozen=True)
class Scanner:
    """Where clamd listens: `tcp://host:port` or `unix:///path`."""

    url: str
    answer_seconds: float = ANSWER_SECONDS

    def begin(self) -> Scan:
        """Begin a file; ScannerUnavailable."""
        parts = urlsplit(self.url)
        is_local = parts.scheme == "unix"
        connection = socket.socket(socket.AF_UNIX if is_local else socket.AF_INET)
        address = parts.path if is_local else (parts.hostname or "", parts.port or PORT)
        try:
            connection.settimeout(CONNECT_SECONDS)
            connection.connect(address)
            connection.settimeout(self.answer_seconds)
            connection.sendall(b"zINSTREAM\0")
        except OSError as error:
            connection.close()
            raise ScannerUnavailable(retry_after_seconds=RETRY_SECONDS) from error
        return Scan(connection)


class Scan:
    """One file on its way through the scanner."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """The next bytes of the file; ScannerUnavailable."""
        try:
            for at in range(0, len(data), PIECE_BYTES):
                piece = data[at : at + PIECE_BYTES]
                self._connection.sendall(struct.pack("!L", len(piece)) + piece)
        except OSError as error:
            self.close()
            raise ScannerUnavailable(retry_after_seconds=RETRY_SECONDS) from error

    def finish(self) -> None:
        """All of the file is there: FileInfected, ScannerUnavailable, or nothing to say."""
        try:
            self._connection.sendall(struct.pack("!L", 0))
            answer = self._answer()
        except OSError as error:
            raise ScannerUnavailable(retry_after_seconds=RETRY_SECONDS) from error
        finally:
            self.close()
        if answer.endswith(b"FOUND"):
            raise FileInfected
        if answer != _CLEAN:  # a size limit of its own, an error, or nothing
            raise ScannerUnavailable(retry_after_seconds=RETRY_SECONDS)

    def close(self) -> None:
        """Let go of the scanner."""
        self._connection.close()

    def _answer(self) -> bytes:
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < ANSWER_MAX_BYTES:
            piece = self._connection.recv(ANSWER_MAX_BYTES)
            if not piece:
                break
            answer += piece
        return answer.rstrip(b"\0\n")

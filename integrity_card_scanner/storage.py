"""What a scanner keeps on its disk: sealed with AES-GCM, written so that a crash loses nothing."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO, Final

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12
_BLOCK_BYTES: Final = 4096  # more than a line


class StorageBrokenError(ValueError):
    """A kept file was changed, or belongs to another place or key."""


class Storage:
    """A folder of sealed files; the key stands beside them, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._aead = AESGCM(self._key())

    def read(self, name: str) -> Any:
        """What was written under this name; None when nothing was."""
        path = self._folder / name
        return cbor2.loads(self._unseal(name, path.read_bytes())) if path.exists() else None

    def write(self, name: str, value: Any) -> None:
        """Replace what is kept under this name, whole or not at all."""
        self._replace(name, self._seal(name, cbor2.dumps(value)))

    def append(self, name: str, entry: bytes) -> None:
        """Add a line to a log; it is on the disk when this returns.

        What a crash, or a full disk, left of the line before is cut off first: nothing is ever
        written onto half a line.
        """
        path = self._folder / name
        new = not path.exists()
        with path.open("ab+") as file:
            _cut_to_whole_lines(file)
            file.write(self._line(name, entry))
            file.flush()
            os.fsync(file.fileno())
        if new:
            self._keep_names()

    def entries(self, name: str) -> list[bytes]:
        """The lines of a log; what a crash left of its last line is not one."""
        path = self._folder / name
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        return [self._unseal(name, base64.b64decode(line)) for line in lines[:-1]]

    def rewrite(self, name: str, entries: list[bytes]) -> None:
        """Replace a log, whole or not at all."""
        self._replace(name, b"".join(self._line(name, entry) for entry in entries))

    def _key(self) -> bytes:
        path = self._folder / "key"
        if not path.exists():
            self._replace("key", secrets.token_bytes(32))
        return path.read_bytes()

    def _line(self, name: str, entry: bytes) -> bytes:
        return base64.b64encode(self._seal(name, entry)) + b"\n"

    def _seal(self, name: str, value: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, name.encode())

    def _unseal(self, name: str, sealed: bytes) -> bytes:
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise StorageBrokenError(name) from error

    def _replace(self, name: str, content: bytes) -> None:
        """Written beside it, for its owner alone, and renamed when it is on the disk."""
        new = self._folder / f"{name}.new"
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / name)
        self._keep_names()

    def _keep_names(self) -> None:
        """A new name in the folder is on the disk when the folder is."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _cut_to_whole_lines(file: BinaryIO) -> None:
    """Leave nothing after the last end of a line."""
    place = end = file.seek(0, os.SEEK_END)
    while place:
        start = max(place - _BLOCK_BYTES, 0)
        file.seek(start)
        found = file.read(place - start).rfind(b"\n")
        place = start
        if found >= 0:
            place += found + 1
            break
    if place < end:
        file.truncate(place)

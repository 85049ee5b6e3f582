"""The file of a key ring, as operators change it: add, promote, retire into escrow, readmit.

A key is known everywhere before it is used anywhere: it is added behind the active one, every
process is restarted, then it is promoted, and every process is restarted once more.  The times of
its promotion stand beside it, because what is still alive from before them may need the key before.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app.kernel.keys import KEY_BYTES, KEY_ID_MAX, KeyPurpose, KeyRing, Suite

Document = dict[str, list[dict[str, Any]]]


class KeyRingError(ValueError):
    """The ring cannot be changed in this way; the message says why, never a secret."""


class RingFile:
    """A ring's file; one change at a time, each whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, purpose: KeyPurpose, suite: Suite) -> int:
        """Put a fresh key behind the active one; its id, above every other of the purpose."""
        with self._changing() as document:
            entries = document[purpose]
            key_id = max(int(entry["id"]) for entry in entries) + 1
            if key_id > KEY_ID_MAX:
                message = f"{purpose} has had {KEY_ID_MAX} keys"
                raise KeyRingError(message)
            secret = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
            entries.append({"id": key_id, "suite": int(suite), "secret": secret})
        return key_id

    def promote(self, purpose: KeyPurpose, key_id: int, *, at: datetime) -> None:
        """Make a known key the active one."""
        with self._changing() as document:
            entries = document[purpose]
            chosen = _entry(entries, purpose, key_id)
            if chosen is entries[0]:
                message = f"{purpose} {key_id} is active already"
                raise KeyRingError(message)
            entries[0]["superseded_at"] = at.isoformat()
            chosen.pop("superseded_at", None)
            entries.remove(chosen)
            entries.insert(0, chosen)

    def retire(self, purpose: KeyPurpose, key_id: int, *, escrow: Path) -> None:
        """Take a key that is not active out of the ring, and put it into the escrow file first."""
        with self._changing() as document:
            entries = document[purpose]
            chosen = _entry(entries, purpose, key_id)
            if chosen is entries[0]:
                message = f"{purpose} {key_id} is the active key"
                raise KeyRingError(message)
            _write(escrow, _merged(_read(escrow) if escrow.exists() else {}, purpose, chosen))
            entries.remove(chosen)

    def readmit(self, escrow: Path) -> int:
        """Put the keys of an escrow file behind those of the ring, for a backup; how many."""
        with self._changing() as document:
            before = sum(map(len, document.values()))
            for purpose, entries in _read(escrow).items():
                for entry in entries:
                    _merged(document, KeyPurpose(purpose), entry)
            return sum(map(len, document.values())) - before

    def superseded_at(self, purpose: KeyPurpose, key_id: int) -> datetime | None:
        """When another key took the place of this one; None when that is not known."""
        at = _entry(_read(self._path)[purpose], purpose, key_id).get("superseded_at")
        return None if at is None else datetime.fromisoformat(str(at))

    @contextmanager
    def _changing(self) -> Iterator[Document]:
        """The document, to be changed in the block and then put in place of the file."""
        with self._path.with_name(self._path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = _read(self._path)
            yield document
            KeyRing.from_document(document)  # what cannot be read is not written
            _write(self._path, document)


def _entry(entries: list[dict[str, Any]], purpose: KeyPurpose, key_id: int) -> dict[str, Any]:
    for entry in entries:
        if int(entry["id"]) == key_id:
            return entry
    message = f"the ring has no {purpose} key {key_id}"
    raise KeyRingError(message)


def _merged(document: Document, purpose: KeyPurpose, entry: dict[str, Any]) -> Document:
    """The document with a key more; KeyRingError when it has another one by that id."""
    entries = document.setdefault(purpose.value, [])
    same_id = [one for one in entries if int(one["id"]) == int(entry["id"])]
    if any(one["secret"] != entry["secret"] for one in same_id):
        message = f"there is another {purpose} key {entry['id']}"
        raise KeyRingError(message)
    if not same_id:
        entries.append(entry)
    return document


def _read(path: Path) -> Document:
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    return document


def _write(path: Path, document: Document) -> None:
    """Replace the file, so that whoever reads sees the old one or the new one, whole and kept."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        if path.exists():
            held = path.stat()
            os.fchmod(file.fileno(), held.st_mode & 0o777)
            os.fchown(file.fileno(), held.st_uid, held.st_gid)
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

"""The heads of the trail in a file outside of the database: what was sealed cannot be sealed anew.

Who may write the database may put other lines under other seals, from some moment on.  The file,
on another volume or machine, keeps which seal was the newest when: one JSON object a line, signed,
with the digest of the line before.  A restored database lacks seals that the file knows; that it
was restored is a line of its own, which an operator writes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hmac import compare_digest
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson

from app.kernel.database import alone
from app.kernel.detached import is_signed, sign_detached
from app.kernel.keys import KeyProvider
from app.trail.sealing import Finding, Head, find_head, list_heads

HEAD: Final = "head"
RESTORED: Final = "restored"
TAIL_BYTES: Final = 65_536  # a line has about 500
_FIRST: Final = "0" * 64


class BrokenHeadsError(Exception):
    """A line of the file was cut, changed, or taken away."""


@dataclass(frozen=True)
class Line:
    """Which seal was the newest, or (`restored`) to which one the database was brought back."""

    kind: str
    head: Head
    previous: str
    digest: str  # of what was signed
    signature: str

    @property
    def signed(self) -> bytes:
        """The bytes that the signature covers."""
        return _signed(self.kind, self.head, self.previous)


def write_heads(path: Path, *, keys: KeyProvider) -> int:
    """For the job: append the newest seals that the file does not name yet; how many."""
    with alone("trail_heads") as is_mine:
        if not is_mine:
            return 0
        _drop_torn_line(path)
        known = {line.head for line in read_heads(path, whole=False)}
        new = [head for head in list_heads() if head not in known]
        _append(path, HEAD, new, keys)
        return len(new)


def note_restore(path: Path, *, keys: KeyProvider) -> int:
    """Note that the database was restored to what it holds now; how many registers it has."""
    _drop_torn_line(path)
    heads = list_heads()
    _append(path, RESTORED, heads, keys)
    return len(heads)


def read_heads(path: Path, *, whole: bool = True) -> Iterator[Line]:
    """The lines, the first first; not `whole`: the last hundred or so.

    BrokenHeadsError names the first that cannot be read or does not follow.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        start = 0 if whole else max(0, path.stat().st_size - TAIL_BYTES)
        file.seek(start)
        if start:
            file.readline()  # the end of a line, or a whole one
        previous = None if start else _FIRST
        for raw in file:
            line = _line(raw)
            if previous is not None and not compare_digest(line.previous, previous):
                raise BrokenHeadsError(f"a line does not follow the one before: {line.head}")
            previous = line.digest
            yield line


def verify_heads(path: Path, *, keys: KeyProvider, whole: bool = True) -> list[Finding]:
    """Compare the file with the seals: what is gone or another, or wrong with the file itself."""
    expected: dict[tuple[str, int], Head] = {}
    try:
        for line in read_heads(path, whole=whole):
            _require_signed(line, keys)
            if line.kind == RESTORED:
                expected = dict(_before(expected, line.head))
            expected[line.head.register, line.head.seal_number] = line.head
    except BrokenHeadsError as error:
        return [Finding("file of heads", None, None, str(error))]
    return [*chain.from_iterable(_compared(head) for head in expected.values())]


def _require_signed(line: Line, keys: KeyProvider) -> None:
    if not is_signed(keys=keys, payload=line.signed, signature=line.signature):
        raise BrokenHeadsError(f"a line is not signed by us: {line.head}")


def _before(
    expected: dict[tuple[str, int], Head], restored: Head
) -> Iterator[tuple[tuple[str, int], Head]]:
    """What is still to be there after a restore: later seals were lost with the old database."""
    for (register, number), head in expected.items():
        if register != restored.register or number <= restored.seal_number:
            yield (register, number), head


def _compared(head: Head) -> Iterator[Finding]:
    held = find_head(register=head.register, seal_number=head.seal_number)
    if held is None:
        yield Finding(head.register, head.seal_number, None, "a seal that was written down is gone")
    elif not compare_digest(held.digest, head.digest):
        yield Finding(head.register, head.seal_number, None, "a seal is not the one written down")


def _append(path: Path, kind: str, heads: Iterable[Head], keys: KeyProvider) -> None:
    previous = _FIRST
    for last in read_heads(path, whole=False):
        previous = last.digest
    lines = []
    for head in heads:
        signed = _signed(kind, head, previous)
        previous = hashlib.sha256(signed).hexdigest()
        signature = sign_detached(keys=keys, payload=signed)
        lines.append(orjson.dumps(orjson.loads(signed) | {"signature": signature}) + b"\n")
    with path.open("ab") as file:
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())


def _signed(kind: str, head: Head, previous: str) -> bytes:
    return orjson.dumps({"kind": kind, **vars(head), "previous": previous})


def _line(raw: bytes) -> Line:
    try:
        found: dict[str, Any] = orjson.loads(raw)
        head = Head(found["register"], int(found["seal_number"]), found["digest"])
        kind, previous = str(found["kind"]), str(found["previous"])
        digest = hashlib.sha256(_signed(kind, head, previous)).hexdigest()
        return Line(kind, head, previous, digest, str(found["signature"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenHeadsError("a line cannot be read") from error


def _drop_torn_line(path: Path) -> None:
    """What a dying process wrote half is written anew."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        torn = len(file.read().rpartition(b"\n")[2])
        file.truncate(size - torn)

"""The deletion journal: who left, in a file outside of the database and of its backups.

A database that was restored to an earlier moment has people in it who left since.  The journal is
replayed before it opens: each of them leaves again and is erased again.  Until then the service is
not ready.  The file holds random citizen ids and times, one JSON object a line, each with a digest
over itself and the line before, so that a missing or changed line is seen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import func, update

from app.kernel.database import alone, transaction
from app.rights import queries
from app.rights.models import Leaving

TAIL_BYTES: Final = 1_024  # a line has about 250
BATCH: Final = 500
_FIRST: Final = "0" * 64


class BrokenJournalError(Exception):
    """A line of the journal was cut, changed, or taken away."""


@dataclass(frozen=True)
class Line:
    """One leaving."""

    number: int
    citizen_id: UUID
    left_at: datetime
    previous: str
    digest: str


def write_journal(path: Path) -> int:
    """For the job: append those who are missing and note it; how many.

    The file is on the disk before the database says so; what was written and not noted is written
    once more, which changes nothing for who reads it.
    """
    count = 0
    with alone("deletion_journal") as is_mine:
        if is_mine:
            _drop_torn_line(path)
        while is_mine and (new := queries.list_unjournaled(limit=BATCH)):
            _append(path, new)
            with transaction() as session:
                session.execute(
                    update(Leaving)
                    .where(Leaving.citizen_id.in_([one.citizen_id for one in new]))
                    .values(journaled_at=func.clock_timestamp())
                )
            count += len(new)
    return count


def read_journal(path: Path) -> Iterator[Line]:
    """Every line, the first first.  BrokenJournalError names the first bad one."""
    number, previous = 0, _FIRST
    with path.open("rb") as file:
        for raw in file:
            number += 1
            try:
                line = _line(raw)
            except (ValueError, KeyError, TypeError) as error:
                raise BrokenJournalError(f"line {number} cannot be read") from error
            if line.number != number or not _follows(line, raw, previous):
                raise BrokenJournalError(f"line {number} does not follow the one before")
            previous = line.digest
            yield line


def last_line(path: Path) -> Line | None:
    """The newest line; None while nobody has left.  BrokenJournalError."""
    if not path.exists() or not path.stat().st_size:
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        raw = file.read().splitlines(keepends=True)[-1]
    try:
        line = _line(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenJournalError("the last line cannot be read") from error
    if not _follows(line, raw, line.previous):
        raise BrokenJournalError("the last line was changed")
    return line


def is_replayed(path: Path) -> bool:
    """Whether the database knows the newest line: a restored one does not."""
    line = last_line(path)
    return line is None or queries.find_leaving_of(citizen_id=line.citizen_id) is not None


def _drop_torn_line(path: Path) -> None:
    """What a dying process wrote half was never noted in the database: it is written anew."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        torn = len(file.read().rpartition(b"\n")[2])
        file.truncate(size - torn)


def _append(path: Path, new: list[queries.Departure]) -> None:
    last = last_line(path)
    number, previous = (0, _FIRST) if last is None else (last.number, last.digest)
    lines = []
    for one in new:
        number += 1
        facts = {
            "number": number, "citizen_id": one.citizen_id, "left_at": one.left_at,
            "previous": previous,
        }
        previous = hashlib.sha256(_bytes(facts)).hexdigest()
        lines.append(_bytes(facts | {"digest": previous}) + b"\n")
    with path.open("ab") as file:
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())


def _line(raw: bytes) -> Line:
    if not raw.endswith(b"\n"):
        raise ValueError("the line has no end")
    found: dict[str, Any] = orjson.loads(raw)
    return Line(
        number=found["number"], citizen_id=UUID(found["citizen_id"]),
        left_at=datetime.fromisoformat(found["left_at"]), previous=found["previous"],
        digest=found["digest"],
    )


def _follows(line: Line, raw: bytes, previous: str) -> bool:
    facts = orjson.loads(raw)
    del facts["digest"]
    digest = hashlib.sha256(_bytes(facts)).hexdigest()
    return compare_digest(line.previous, previous) and compare_digest(line.digest, digest)


def _bytes(facts: dict[str, Any]) -> bytes:
    return orjson.dumps(facts, option=orjson.OPT_UTC_Z)

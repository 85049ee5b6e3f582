"""The deletion journal: who left, in a file outside of the database and of its backups.

A database that was restored to an earlier moment has people in it who left since.  The journal is
replayed before it opens: each of them leaves again and is erased again.  Until then the service is
not ready, the worker waits, and nothing is appended.  The database notes up to which line it knows
everybody; whether it knows who comes after is looked up, so that no single line decides.

The file holds random citizen ids and times, one JSON object a line, each with a digest
over itself and the line before, so that a missing or changed line is seen.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert

from app.kernel.database import alone, transaction, transaction_required
from app.rights import queries
from app.rights.models import JournalEnd, Leaving

log = logging.getLogger(__name__)

TAIL_BYTES: Final = 1_024  # a line has about 250
BATCH: Final = 500
_FIRST: Final = "0" * 64


class BrokenJournalError(Exception):
    """A line of the journal was cut, changed, or taken away."""


class JournalAheadError(Exception):
    """The journal names people whose leaving the database does not know: it was restored."""


@dataclass(frozen=True)
class Line:
    """One leaving; `end_bytes` is where the line ends in the file."""

    number: int
    citizen_id: UUID
    left_at: datetime
    previous: str
    digest: str
    end_bytes: int


def write_journal(path: Path) -> int:
    """For the job: append those who are missing and note it; how many.  JournalAheadError.

    The file is on the disk before the database says so; what was written and not noted is written
    once more, which changes nothing for who reads it.
    """
    count = 0
    with alone("deletion_journal") as is_mine:
        if is_mine:
            _drop_torn_line(path)
            _note_known(path)
        while is_mine and (new := queries.list_unjournaled(limit=BATCH)):
            end = _append(path, new)
            with transaction() as session:
                session.execute(
                    update(Leaving)
                    .where(Leaving.citizen_id.in_([one.citizen_id for one in new]))
                    .values(journaled_at=func.clock_timestamp())
                )
                note_end(end)
            count += len(new)
    return count


def read_journal(path: Path) -> Iterator[Line]:
    """Every line, the first first.  BrokenJournalError names the first bad one.

    A last line without an end was never noted: whoever wrote it died, and it is left out.
    """
    return _read(path, queries.JournalPlace(0, _FIRST, 0))


def last_line(path: Path) -> Line | None:
    """The newest line; None while nobody has left.  BrokenJournalError."""
    if not path.exists() or not path.stat().st_size:
        return None
    return _line_before(path, path.stat().st_size)


def is_replayed(path: Path) -> bool:
    """Whether the database knows everybody in the journal: a restored one does not.

    BrokenJournalError, also where the journal does not reach as far as the database knows it.
    """
    return all(is_known for _, is_known in _since_noted(path))


def may_open(path: Path | None) -> bool:
    """The same for who waits for it; a journal that cannot be read opens nothing."""
    try:
        return path is None or is_replayed(path)
    except (BrokenJournalError, OSError):
        log.exception("the deletion journal cannot be read")
        return False


def note_end(line: Line) -> None:
    """Note, in the open transaction, that everybody up to this line has a leaving here."""
    facts = {"number": line.number, "digest": line.digest, "end_bytes": line.end_bytes}
    row = insert(JournalEnd).values(**facts)
    transaction_required().execute(row.on_conflict_do_update(
        index_elements=["is_only"], set_={**facts, "noted_at": func.clock_timestamp()},
        where=JournalEnd.end_bytes < line.end_bytes,  # an older copy was replayed
    ))


def _note_known(path: Path) -> None:
    """Note what was written before its writer died, when everybody in it is known."""
    last = None
    for line, is_known in _since_noted(path):
        if not is_known:
            raise JournalAheadError(f"line {line.number} is not known: replay the journal")
        last = line
    if last is not None:
        with transaction():
            note_end(last)


def _since_noted(path: Path) -> Iterator[tuple[Line, bool]]:
    """The lines after the one that the database noted, and whether it knows each leaving."""
    place = queries.journal_end()
    if place is None:
        lines = read_journal(path) if path.exists() else iter(())
    elif compare_digest(_line_before(path, place.end_bytes).digest, place.digest):
        lines = _read(path, place)
    else:
        raise BrokenJournalError(f"line {place.number} is not the one that was written")
    while batch := list(islice(lines, BATCH)):
        known = queries.who_left([line.citizen_id for line in batch])
        yield from ((line, line.citizen_id in known) for line in batch)


def _read(path: Path, place: queries.JournalPlace) -> Iterator[Line]:
    number, previous, end = place.number, place.digest, place.end_bytes
    with path.open("rb") as file:
        file.seek(end)
        for raw in file:
            if not raw.endswith(b"\n"):
                log.warning("the journal's last line has no end", extra={"line": number + 1})
                return
            number, end = number + 1, end + len(raw)
            try:
                line = _line(raw, end)
            except (ValueError, KeyError, TypeError) as error:
                raise BrokenJournalError(f"line {number} cannot be read") from error
            if line.number != number or not _follows(line, raw, previous):
                raise BrokenJournalError(f"line {number} does not follow the one before")
            previous = line.digest
            yield line


def _line_before(path: Path, end_bytes: int) -> Line:
    """The line that ends there.  BrokenJournalError."""
    with path.open("rb") as file:
        file.seek(max(0, end_bytes - TAIL_BYTES))
        read = file.read(min(end_bytes, TAIL_BYTES))
    if len(read) < min(end_bytes, TAIL_BYTES):
        raise BrokenJournalError("the journal is shorter than it was")
    raw = read.splitlines(keepends=True)[-1]
    try:
        line = _line(raw, end_bytes)
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenJournalError("the last line cannot be read") from error
    if not _follows(line, raw, line.previous):
        raise BrokenJournalError("the last line was changed")
    return line


def _drop_torn_line(path: Path) -> None:
    """What a dying process wrote half was never noted in the database: it is written anew."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        torn = len(file.read().rpartition(b"\n")[2])
        file.truncate(size - torn)


def _append(path: Path, new: list[queries.Departure]) -> Line:
    """Write their lines; the last of them."""
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
        return _line(lines[-1], file.tell())


def _line(raw: bytes, end_bytes: int) -> Line:
    if not raw.endswith(b"\n"):
        raise ValueError("the line has no end")
    found: dict[str, Any] = orjson.loads(raw)
    return Line(
        number=found["number"], citizen_id=UUID(found["citizen_id"]),
        left_at=datetime.fromisoformat(found["left_at"]), previous=found["previous"],
        digest=found["digest"], end_bytes=end_bytes,
    )


def _follows(line: Line, raw: bytes, previous: str) -> bool:
    facts = orjson.loads(raw)
    del facts["digest"]
    digest = hashlib.sha256(_bytes(facts)).hexdigest()
    return compare_digest(line.previous, previous) and compare_digest(line.digest, digest)


def _bytes(facts: dict[str, Any]) -> bytes:
    return orjson.dumps(facts, option=orjson.OPT_UTC_Z)

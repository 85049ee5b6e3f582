"""From the bytes of a delivery to rows of cells.

CSV is decoded strictly, Excel read with every trap shut, JSON as if it were a sheet.

A file is read to its end before the first row is judged, so that a file that is refused leaves
nothing.  Rows are numbered as a spreadsheet shows them.  CSV is read row by row: what is in memory
does not grow with the file.

A quote that is not closed would make one row of all that follows.  So the line it stands in is a
row of its own, a broken one, and what comes after it is read as if it had ended there.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any

import orjson

from app.kernel.errors import Invalid
from app.kernel.tables import undefused
from app.members.id_numbers import compact_id_number, has_id_number_shape_within
from app.records.catalogue import ROW_NUMBER_COLUMN, Catalogue, RecordType
from app.records.cells import BrokenLine, is_empty, remove_space
from app.records.excel import (
    COLUMNS_MAX,
    LOOK_EVERY_ROWS,
    ROW_MAX_CHARS,
    BrokenExcelError,
    TooMuchExcelError,
    cells_of,
    read_first_sheet,
    value_text,
)

XLSX_MAX_BYTES = 10_000_000
# Stand before the rows that were given back to be mended, and are no part of what is delivered.
RETURN_COLUMNS = ("退回行号", "退回原因", "退回说明")
CSV_MAX_BYTES = 512_000_000
JSON_MAX_BYTES = 5_000_000
JSON_ROWS_MAX = 5_000
_CHUNK_BYTES = 1 << 20
_LINE_BREAK = re.compile(r"[\r\n]+")

csv.field_size_limit(ROW_MAX_CHARS)  # a cell may be as long as its row


class Encoding(StrEnum):
    """How the bytes of a file are to be read."""

    UTF_8 = "utf-8"
    UTF_8_SIG = "utf-8-sig"
    GB18030 = "gb18030"
    XLSX = "xlsx"
    JSON = "json"  # rows sent as objects; no file comes this way


class FileReason(StrEnum):
    """Why a file is refused whole, in the order in which the reasons apply."""

    BAD_ENCODING = "bad_encoding"
    BAD_HEADER = "bad_header"
    FORBIDDEN_FIELD = "forbidden_field"
    UNKNOWN_COLUMN = "unknown_column"
    MISSING_COLUMN = "missing_column"
    TOO_LARGE = "too_large"  # unpacks to too much, or has too many columns or rows
    TOO_MANY_ROWS_TODAY = "too_many_rows_today"  # for the source's quota


class FileRefusedError(Exception):
    """The file is refused whole; a result of reading, kept in the delivery's report."""

    def __init__(self, reason: FileReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class FileTooLarge(Invalid):
    """The file is larger, or unpacks to more, than may be delivered at once."""

    code = "file_too_large"
    title = "The file is larger than may be delivered at once"
    advice = "文件过大或展开后过大，请拆分后分批报送。"


@dataclass(frozen=True)
class Fingerprint:
    """What identifies the bytes of a file."""

    sha256: bytes
    size_bytes: int


@dataclass(frozen=True)
class Layout:
    """Where the columns of a record type stand in one file."""

    record_type: RecordType
    positions: dict[str, int]
    width: int
    pads_rows: bool  # Excel leaves out empty cells at the end of a row
    first_row: int  # the number of the first row below the header
    header: tuple[str, ...] = ()  # the names as they stand there
    cut: frozenset[int] = frozenset()  # columns that were put before the department's own


@dataclass(frozen=True)
class Table:
    """A file that may be judged: its layout, and its rows with their numbers."""

    layout: Layout
    rows: Iterator[tuple[int, list[str]]]
    found_count: int  # rows below the header; zero when the file was looked through before


def fingerprint(file: IO[bytes], *, max_bytes: int = CSV_MAX_BYTES) -> Fingerprint:
    """Hash and measure a file; FileTooLarge as soon as it is longer than `max_bytes`."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise FileTooLarge(max_bytes=max_bytes)
        digest.update(chunk)
    return Fingerprint(digest.digest(), size)


def open_table(
    file: IO[bytes],
    *,
    encoding: Encoding,
    catalogue: Catalogue,
    record_type: RecordType,
    looked_through: bool = False,
    on_the_way: Callable[[], None] = lambda: None,
) -> Table:
    """Read a file to its end and find its columns; FileRefusedError or FileTooLarge.

    A file that was `looked_through` before is not read to its end again.  `on_the_way` is called
    every LOOK_EVERY_ROWS rows.
    """
    rows_again = _reader(file, encoding, on_the_way)
    count = 0
    if not looked_through:
        for count, row in enumerate(rows_again(), start=1):
            _require_width(row)
            if count % LOOK_EVERY_ROWS == 0:
                on_the_way()
    rows = rows_again()
    layout = _layout(rows, catalogue, record_type, pads_rows=encoding is Encoding.XLSX)
    below = max(0, count - layout.first_row + 1)
    own = (_as_sent(row, layout.cut) for row in rows) if layout.cut else rows
    return Table(layout, enumerate(own, start=layout.first_row), below)


def _as_sent(row: list[str], cut: frozenset[int]) -> list[str]:
    """A row that was given back, as it stood before: what is not mended is refused again."""
    if row and isinstance(row[0], BrokenLine):
        return row
    return [undefused(cell) for cell in _without(row, cut)]


def _without(row: list[str], cut: frozenset[int]) -> list[str]:
    return [cell for at, cell in enumerate(row) if at not in cut]


def _reader(
    file: IO[bytes], encoding: Encoding, on_the_way: Callable[[], None]
) -> Callable[[], Iterator[list[str]]]:
    # Excel and JSON are small by their limits, and slow to read twice.
    if encoding is Encoding.XLSX:
        lines = _xlsx_lines(file, on_the_way)
        return lambda: map(cells_of, lines)
    if encoding is Encoding.JSON:
        rows = _json_rows(file)
        return lambda: iter(rows)
    return lambda: _csv_rows(file, encoding)


def _require_width(row: list[str]) -> None:
    if len(row) > COLUMNS_MAX and not all(map(is_empty, row[COLUMNS_MAX:])):
        raise FileTooLarge(max_columns=COLUMNS_MAX)


def _layout(
    rows: Iterator[list[str]], catalogue: Catalogue, record_type: RecordType, *, pads_rows: bool
) -> Layout:
    names, number = _header(rows, record_type.id_column)
    cut = frozenset(at for at, name in enumerate(names) if name in RETURN_COLUMNS)
    header = _without(names, cut)
    if any(word in name for name in header for word in catalogue.forbidden_header_words):
        raise FileRefusedError(FileReason.FORBIDDEN_FIELD)
    if set(header) - set(record_type.by_name) - {ROW_NUMBER_COLUMN}:
        raise FileRefusedError(FileReason.UNKNOWN_COLUMN)
    if set(record_type.by_name) - set(header):
        raise FileRefusedError(FileReason.MISSING_COLUMN)
    positions = {name: at for at, name in enumerate(header) if name != ROW_NUMBER_COLUMN}
    return Layout(
        record_type, positions, len(header), pads_rows, number + 1, tuple(header), cut
    )


def _header(rows: Iterator[list[str]], id_column: str) -> tuple[list[str], int]:
    for number, row in enumerate(rows, start=1):
        names = [remove_space(cell) for cell in row]
        if id_column not in names:
            continue
        while not names[-1]:
            names.pop()
        if not all(names) or len(set(names)) != len(names):
            raise FileRefusedError(FileReason.BAD_HEADER)
        return names, number
    raise FileRefusedError(FileReason.BAD_HEADER)


def _csv_rows(file: IO[bytes], encoding: Encoding) -> Iterator[list[str]]:
    # A byte order mark is never part of the first header, stated or not.
    name = "utf-8-sig" if encoding is Encoding.UTF_8 else encoding.value
    file.seek(0)
    text = io.TextIOWrapper(
        file, encoding=codecs.lookup(name).name, errors="strict", newline=""
    )
    try:
        yield from _rows_of_lines(_Lines(text))
    except UnicodeError as error:
        raise FileRefusedError(FileReason.BAD_ENCODING) from error
    finally:
        if not file.closed:
            text.detach()  # the file belongs to the caller


def _rows_of_lines(lines: _Lines) -> Iterator[list[str]]:
    rows = csv.reader(lines, strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            row = lines.break_off()
        else:
            if lines.spans_lines() and any(map(_holds_rows, row)):
                row = lines.break_off()
        lines.next_row()
        yield row


def _holds_rows(cell: str) -> bool:
    """Whether a cell goes on over other rows: below a line break stands an ID number."""
    _, *below = _LINE_BREAK.split(cell)
    return any(has_id_number_shape_within(compact_id_number(line)) for line in below)


class _Lines:
    """The lines of a text; a row that never ends does not fill the memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._row: list[str] = []  # the lines of the row that is being read
        self._row_chars = 0
        self._again: deque[str] = deque()
        self._read_chars, self._again_chars = 0, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """The next line; csv.Error where it cannot belong to the row, or is no text."""
        line = self._again.popleft() if self._again else self._read()
        self._row.append(line)
        self._row_chars += len(line)
        if self._row_chars >= ROW_MAX_CHARS:
            raise csv.Error("a quote is not closed")
        if "\0" in line:
            raise csv.Error("NUL is no text")
        return line

    def spans_lines(self) -> bool:
        """Whether the row went on over more than one line."""
        return len(self._row) > 1

    def next_row(self) -> None:
        """What comes now belongs to another row."""
        self._row.clear()
        self._row_chars = 0

    def break_off(self) -> list[str]:
        """End the row with its first line; the others are read again as rows of their own."""
        first, *others = self._row
        self._again.extendleft(reversed(others))
        self._again_chars += self._row_chars - len(first)
        # In an honest file the next quote ends the search; nothing is searched twice.
        if self._again_chars > self._read_chars + ROW_MAX_CHARS:
            raise FileTooLarge(max_row_chars=ROW_MAX_CHARS)
        return [BrokenLine(first.rstrip("\r\n").replace("\0", ""))]

    def _read(self) -> str:
        line = self._text.readline(ROW_MAX_CHARS)
        if not line:
            raise StopIteration
        if len(line) >= ROW_MAX_CHARS:
            raise FileTooLarge(max_row_chars=ROW_MAX_CHARS)
        self._read_chars += len(line)
        return line


def _xlsx_lines(file: IO[bytes], on_the_way: Callable[[], None]) -> list[bytes]:
    fingerprint(file, max_bytes=XLSX_MAX_BYTES)
    file.seek(0)
    try:
        return read_first_sheet(file.read(), on_the_way=on_the_way)
    except BrokenExcelError as error:
        raise FileRefusedError(FileReason.BAD_ENCODING) from error
    except TooMuchExcelError as error:
        raise FileTooLarge from error


def _json_rows(file: IO[bytes]) -> list[list[str]]:
    """A sheet of a list of objects: their keys are the header, in the order of first appearance."""
    fingerprint(file, max_bytes=JSON_MAX_BYTES)
    file.seek(0)
    try:
        objects: list[dict[str, Any]] = orjson.loads(file.read())
    except orjson.JSONDecodeError as error:
        raise FileRefusedError(FileReason.BAD_ENCODING) from error
    if len(objects) > JSON_ROWS_MAX:
        raise FileTooLarge(max_rows=JSON_ROWS_MAX)
    header = list(dict.fromkeys(name for one in objects for name in one))
    if len(header) > COLUMNS_MAX:
        raise FileTooLarge(max_columns=COLUMNS_MAX)
    return [header, *([value_text(one.get(name)) for name in header] for one in objects)]

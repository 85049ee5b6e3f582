"""From the bytes of a delivery to rows of cells.

CSV is decoded strictly, Excel read with every trap shut, JSON as if it were a sheet.

A file is read to its end before the first row is judged, so that a file that is refused leaves
nothing.  Rows are numbered as a spreadsheet shows them.  CSV is read row by row: what is in memory
does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import IO, Any
from xml.etree.ElementTree import ParseError  # only the class: openpyxl parses with defusedxml

import openpyxl
import orjson
from openpyxl.cell.read_only import ReadOnlyCell

from app.kernel.errors import Invalid
from app.records.catalogue import ROW_NUMBER_COLUMN, Catalogue, RecordType
from app.records.cells import (
    DayCell,
    FormulaCell,
    NumberCell,
    is_empty,
    remove_space,
    undefused,
)

if not openpyxl.DEFUSEDXML:
    raise RuntimeError("openpyxl would expand XML entities: OPENPYXL_DEFUSEDXML must not be off")

XLSX_MAX_BYTES = 10_000_000
XLSX_UNPACKED_MAX_BYTES = 100_000_000
XLSX_RATIO_MAX = 100
XLSX_MEMBERS_MAX = 1_000
XLSX_ROWS_MAX = 200_000
COLUMNS_MAX = 100
# Stand before the rows that were given back to be mended, and are no part of what is delivered.
RETURN_COLUMNS = ("退回行号", "退回原因", "退回说明")
ROW_MAX_CHARS = 1_000_000
LOOK_EVERY_ROWS = 10_000
CSV_MAX_BYTES = 512_000_000
JSON_MAX_BYTES = 5_000_000
JSON_ROWS_MAX = 5_000
_CHUNK_BYTES = 1 << 20
# What a file that is no Excel file, or a broken or hostile one, makes zipfile and openpyxl raise.
_BROKEN_XLSX = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError, RuntimeError,
    LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip


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
    rows_again = _reader(file, encoding)
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
    return [undefused(cell) for cell in _without(row, cut)]


def _without(row: list[str], cut: frozenset[int]) -> list[str]:
    return [cell for at, cell in enumerate(row) if at not in cut]


def _reader(file: IO[bytes], encoding: Encoding) -> Callable[[], Iterator[list[str]]]:
    if encoding in {Encoding.XLSX, Encoding.JSON}:  # small by their limits, slow to read twice
        cells = _json_rows(file) if encoding is Encoding.JSON else list(_xlsx_rows(file))
        return lambda: iter(cells)
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
    lines = _Lines(text)
    try:
        for row in csv.reader(lines):
            lines.row_chars = 0
            yield row
    except (UnicodeError, csv.Error) as error:
        raise FileRefusedError(FileReason.BAD_ENCODING) from error
    finally:
        if not file.closed:
            text.detach()  # the file belongs to the caller


class _Lines:
    """The lines of a text; a row that never ends does not fill the memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.row_chars = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(ROW_MAX_CHARS):
            self.row_chars += len(line)
            if self.row_chars >= ROW_MAX_CHARS:
                raise FileTooLarge(max_row_chars=ROW_MAX_CHARS)
            if "\0" in line:
                raise csv.Error("NUL is no text")
            yield line


def _xlsx_rows(file: IO[bytes]) -> Iterator[list[str]]:
    try:
        _check_archive(file)
        # A day that Excel cannot show is a warning there and a cell that is no date here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from _first_sheet(file)
    except _BROKEN_XLSX as error:
        raise FileRefusedError(FileReason.BAD_ENCODING) from error


def _check_archive(file: IO[bytes]) -> None:
    """Refuse what unpacks to too much, by what it declares and by what comes out."""
    packed = fingerprint(file, max_bytes=XLSX_MAX_BYTES).size_bytes
    limit = min(XLSX_UNPACKED_MAX_BYTES, packed * XLSX_RATIO_MAX)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > XLSX_MEMBERS_MAX or sum(m.file_size for m in members) > limit:
            raise FileTooLarge(max_bytes=limit)
        left = limit
        for member in members:
            with archive.open(member) as content:
                while chunk := content.read(_CHUNK_BYTES):
                    left -= len(chunk)
                    if left < 0:
                        raise FileTooLarge(max_bytes=limit)


def _first_sheet(file: IO[bytes]) -> Iterator[list[str]]:
    file.seek(0)
    book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says about its own size may be wrong
        for number, row in enumerate(sheet.iter_rows(), start=1):
            if number > XLSX_ROWS_MAX:
                raise FileTooLarge(max_rows=XLSX_ROWS_MAX)
            cells = [_cell_text(cell) for cell in row]
            if len(cells) > COLUMNS_MAX and not all(map(is_empty, cells[COLUMNS_MAX:])):
                raise FileTooLarge(max_columns=COLUMNS_MAX)
            yield cells[:COLUMNS_MAX]
    finally:
        book.close()


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
    return [header, *([_value_text(one.get(name)) for name in header] for one in objects)]


def _cell_text(cell: ReadOnlyCell | Any) -> str:
    if cell.data_type == "f":
        return FormulaCell(cell.value if isinstance(cell.value, str) else "=")
    return _value_text(cell.value)


def _value_text(value: object) -> str:
    match value:
        case None:
            text = ""
        case str():
            text = value
        case bool():
            text = str(value).upper()
        case datetime():
            text = DayCell(value.date().isoformat())
        case date():
            text = DayCell(value.isoformat())
        case int() | float():
            text = NumberCell(_shortest(value))
        case _:  # a time of day or a duration
            text = NumberCell(value)
    return text


def _shortest(value: float) -> str:
    """The shortest decimal text, whole numbers without a point, never an exponent."""
    return str(value) if isinstance(value, int) else f"{Decimal(repr(value)).normalize():f}"

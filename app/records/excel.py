"""Excel files, read in a process of their own that has little memory and little time.

A small file can say much: a row of millions of cells, or nesting without end, costs gigabytes and
minutes before any limit on rows could be looked at.  So the archive is looked through first, by
what it declares and by what comes out, and whatever else a hostile file thinks of ends the reader
and not the worker.  Rows come back as lines of JSON, each cell with its kind.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError  # only the class: openpyxl parses with defusedxml

import openpyxl
import orjson
from openpyxl.cell.read_only import ReadOnlyCell

from app.records.cells import DayCell, FormulaCell, NumberCell, is_empty

if not openpyxl.DEFUSEDXML:
    raise RuntimeError("openpyxl would expand XML entities: OPENPYXL_DEFUSEDXML must not be off")

ROOT = Path(__file__).parents[2]
UNPACKED_MAX_BYTES = 100_000_000
RATIO_MAX = 100
MEMBERS_MAX = 1_000
ROWS_MAX = 200_000
COLUMNS_MAX = 100
ROW_MAX_CHARS = 1_000_000
READER_MAX_BYTES = 192 << 20  # of memory, beside what Python and its libraries map
READER_MAX_SECONDS = 40  # of computing; the largest that is allowed takes half of it
LOOK_EVERY_ROWS = 10_000
_CHUNK_BYTES = 1 << 20
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # others unpack without any bound
# What a file that is no Excel file, or a broken or hostile one, makes zipfile and openpyxl raise.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError, RuntimeError,
    LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip
_KINDS: tuple[type[str], ...] = (str, NumberCell, DayCell, FormulaCell)


class Ending(IntEnum):
    """How the reader ends by itself; what kills it is that the file was too much."""

    READ = 0
    BROKEN = 3
    TOO_LARGE = 4


class BrokenExcelError(Exception):
    """The bytes are no Excel file."""


class TooMuchExcelError(Exception):
    """The file unpacks to more, or costs more, than may be delivered at once."""


def read_first_sheet(content: bytes, *, on_the_way: Callable[[], None]) -> list[bytes]:
    """The rows of the first sheet, for `cells_of`; BrokenExcelError or TooMuchExcelError.

    `on_the_way` is called every LOOK_EVERY_ROWS rows.
    """
    command = [sys.executable, "-m", "app.records.excel"]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 -- our own module, and no word of the file in its command
        command, cwd=ROOT, stdin=pipe, stdout=pipe
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        try:
            lines = _exchange(reader.stdin, reader.stdout, content, on_the_way)
        except BaseException:
            reader.kill()
            raise
    if reader.returncode == Ending.BROKEN:
        raise BrokenExcelError
    if reader.returncode == Ending.TOO_LARGE or reader.returncode < 0:
        raise TooMuchExcelError
    if reader.returncode != Ending.READ:
        raise RuntimeError(f"the reader of Excel files ended with {reader.returncode}")
    return lines


def _exchange(
    stdin: IO[bytes], stdout: IO[bytes], content: bytes, on_the_way: Callable[[], None]
) -> list[bytes]:
    try:
        with stdin:
            stdin.write(content)
    except BrokenPipeError:
        return []  # it ended before; its ending says why
    lines, left = [], UNPACKED_MAX_BYTES
    for line in stdout:
        left -= len(line)
        if left < 0:
            raise TooMuchExcelError
        lines.append(line)
        if len(lines) % LOOK_EVERY_ROWS == 0:
            on_the_way()
    return lines


def cells_of(line: bytes) -> list[str]:
    """The cells of a row."""
    return [
        text if kind == 0 else _KINDS[kind](text) for kind, text in orjson.loads(line)
    ]


def value_text(value: object) -> str:
    """The text of a value from a cell or from JSON, with its kind."""
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


# What the reader's process does.


def _read(content: bytes, out: IO[bytes]) -> Ending:
    try:
        _check_archive(content)
        # A day that Excel cannot show is a warning there and a cell that is no date here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for cells in _first_sheet(content):
                pairs = [(_KINDS.index(type(cell)), str(cell)) for cell in cells]
                out.write(orjson.dumps(pairs, option=orjson.OPT_APPEND_NEWLINE))
        out.flush()
    except (TooMuchExcelError, MemoryError):
        return Ending.TOO_LARGE
    except _BROKEN:
        return Ending.BROKEN
    return Ending.READ


def _check_archive(content: bytes) -> None:
    """Refuse what unpacks to too much, by what it declares and by what comes out."""
    limit = min(UNPACKED_MAX_BYTES, len(content) * RATIO_MAX)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > limit:
            raise TooMuchExcelError
        if any(member.compress_type not in _METHODS for member in members):
            raise zipfile.BadZipFile
        left = limit
        for member in members:
            with archive.open(member) as unpacked:
                while chunk := unpacked.read(_CHUNK_BYTES):
                    left -= len(chunk)
                    if left < 0:
                        raise TooMuchExcelError


def _first_sheet(content: bytes) -> Iterator[list[str]]:
    book = openpyxl.load_workbook(
        BytesIO(content), read_only=True, data_only=False, keep_links=False
    )
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # what a file says about its own size may be wrong
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > ROWS_MAX:
            raise TooMuchExcelError
        cells = [_cell_text(cell) for cell in row]
        if len(cells) > COLUMNS_MAX and not all(map(is_empty, cells[COLUMNS_MAX:])):
            raise TooMuchExcelError
        if sum(map(len, cells)) > ROW_MAX_CHARS:
            raise TooMuchExcelError
        yield cells[:COLUMNS_MAX]


def _cell_text(cell: ReadOnlyCell | Any) -> str:
    if cell.data_type == "f":
        return FormulaCell(cell.value if isinstance(cell.value, str) else "=")
    return value_text(cell.value)


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_DATA, (READER_MAX_BYTES, READER_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (READER_MAX_SECONDS, READER_MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nothing of a file touches a disk
    return _read(sys.stdin.buffer.read(), sys.stdout.buffer)


if __name__ == "__main__":
    sys.exit(_main())

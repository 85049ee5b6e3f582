"""The process that reads one Excel file: bytes come in, rows go out, and nothing else.

It alone loads openpyxl, which other processes need neither at their start nor in their memory.
"""

from __future__ import annotations

import resource
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any
from xml.etree.ElementTree import ParseError  # only the class: openpyxl parses with defusedxml

import openpyxl
import orjson
from openpyxl.cell.read_only import ReadOnlyCell

from app.records.cells import FormulaCell, is_empty
from app.records.excel import (
    COLUMNS_MAX,
    KINDS,
    ROW_MAX_CHARS,
    UNPACKED_MAX_BYTES,
    Ending,
    TooMuchExcelError,
    value_text,
)

if not openpyxl.DEFUSEDXML:
    raise RuntimeError("openpyxl would expand XML entities: OPENPYXL_DEFUSEDXML must not be off")

RATIO_MAX = 100
MEMBERS_MAX = 1_000
ROWS_MAX = 200_000
READER_MAX_BYTES = 192 << 20  # of memory, beside what Python and its libraries map
READER_MAX_SECONDS = 40  # of computing; the largest that is allowed takes half of it
_CHUNK_BYTES = 1 << 20
_DOCTYPE = b"<!DOCTYPE"  # no spreadsheet program writes one
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # others unpack without any bound
# What a file that is no Excel file, or a broken or hostile one, makes zipfile and openpyxl raise.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError, RuntimeError,
    LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip


def _read(content: bytes, out: IO[bytes]) -> Ending:
    try:
        _check_archive(content)
        # A day that Excel cannot show is a warning there and a cell that is no date here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for cells in _first_sheet(content):
                pairs = [(KINDS.index(type(cell)), str(cell)) for cell in cells]
                out.write(orjson.dumps(pairs, option=orjson.OPT_APPEND_NEWLINE))
        out.flush()
    except (TooMuchExcelError, MemoryError):
        return Ending.TOO_LARGE
    except _BROKEN:
        return Ending.BROKEN
    return Ending.READ


def _check_archive(content: bytes) -> None:
    """Refuse what unpacks to too much, by what it declares and by what comes out, and any DTD."""
    limit = min(UNPACKED_MAX_BYTES, len(content) * RATIO_MAX)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > limit:
            raise TooMuchExcelError
        if any(member.compress_type not in _METHODS for member in members):
            raise zipfile.BadZipFile
        left = limit
        for member in members:
            end = b""
            with archive.open(member) as unpacked:
                while chunk := unpacked.read(_CHUNK_BYTES):
                    left -= len(chunk)
                    if left < 0:
                        raise TooMuchExcelError
                    text = end + chunk.replace(b"\0", b"")  # UTF-16 too
                    if _DOCTYPE in text:
                        raise zipfile.BadZipFile
                    end = text[-len(_DOCTYPE) :]


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

"""Excel files, read in a process of their own that has little memory and little time.

A small file can say much: a row of millions of cells, or nesting without end, costs gigabytes and
minutes before any limit on rows could be looked at.  So the archive is looked through first, by
what it declares and by what comes out, and whatever else a hostile file thinks of ends the reader
and not the worker.  Rows come back as lines of JSON, each cell with its kind.
What that process does stands in `excel_reader`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import IO

import orjson

from app.records.cells import DayCell, FormulaCell, NumberCell

ROOT = Path(__file__).parents[2]
UNPACKED_MAX_BYTES = 100_000_000
COLUMNS_MAX = 100
ROW_MAX_CHARS = 1_000_000
LOOK_EVERY_ROWS = 10_000
KINDS: tuple[type[str], ...] = (str, NumberCell, DayCell, FormulaCell)


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
    command = [sys.executable, "-m", "app.records.excel_reader"]
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
        text if kind == 0 else KINDS[kind](text) for kind, text in orjson.loads(line)
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

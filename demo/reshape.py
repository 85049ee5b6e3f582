"""The same deliveries in another form: as Excel files, or as batches of rows in JSON."""

from __future__ import annotations

import csv
import shutil
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import orjson
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from app.records.catalogue import REGISTER
from app.records.cells import is_empty, remove_space
from app.records.reading import JSON_MAX_BYTES, JSON_ROWS_MAX, Encoding
from demo.load import LIST, Batch, ListedDelivery

ID_COLUMN = "身份证号"
HEADER = ("序号", "文件", "记录类型", "报送单位", "报送日期", "编码")
SURPLUS = ""  # the key of a cell outside of all columns
ROWS_MAX_BYTES = JSON_MAX_BYTES - 10_000  # a batch says a little more than its rows


def write_as_excel(*, folder: Path, listed: Sequence[ListedDelivery], target: Path) -> None:
    """Write the folder again into `target`; files keep their names, and rows their numbers.

    What Excel cannot hold stays as it is: bytes that are no text, and signs it does not know.  A
    row with too few cells, which Excel would fill up, becomes one with too many.
    """
    with (target / LIST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for one in listed:
            rows = _rows(folder / one.file, one.encoding)
            if rows is None:
                shutil.copyfile(folder / one.file, target / one.file)
            else:
                _write_sheet(rows, target / one.file)
            encoding = one.encoding if rows is None else Encoding.XLSX
            writer.writerow((
                one.seq, one.file, one.record_type, one.unit, one.delivered_on, encoding.value,
            ))


def json_batches(folder: Path, listed: ListedDelivery) -> list[Batch]:
    """The rows of a file as batches for `POST /api/v1/deliveries/rows`, in their order.

    None where JSON cannot say what stands there: bytes that are no text, a header that is missing
    or says a name twice, no rows.  None for the register, which comes as a file.  A row with too
    few or too many cells becomes one with a cell outside of the columns.
    """
    path = folder / listed.file
    is_sheet = listed.encoding is Encoding.XLSX
    rows = _sheet(path) if is_sheet else _rows(path, listed.encoding)
    at = _header_at(rows or [])
    if listed.record_type == REGISTER or rows is None or at is None:
        return []
    names = rows[at][: _width(rows[at])]
    if len({*names, SURPLUS}) != len(names) + 1:
        return []
    objects = [_object(names, row) for row in rows[at + 1 :]]
    return list(_batches(objects, row_shift=at))


def _object(names: list[str], row: list[Any]) -> dict[str, Any]:
    width = len(names)
    cells = [*row[:width], *[None] * (width - len(row))]
    beyond = [cell for cell in row[width:] if not _is_empty(cell)]
    return dict(zip(names, cells, strict=True)) | ({SURPLUS: beyond[0]} if beyond else {})


def _batches(objects: list[dict[str, Any]], *, row_shift: int) -> Iterator[Batch]:
    for start in range(0, len(objects), JSON_ROWS_MAX):
        yield from _small_enough(objects[start : start + JSON_ROWS_MAX], row_shift + start)


def _small_enough(objects: list[dict[str, Any]], row_shift: int) -> Iterator[Batch]:
    content = orjson.dumps(objects)
    if len(content) <= ROWS_MAX_BYTES:
        yield Batch(content, row_shift)
    else:
        half = len(objects) // 2
        yield from _small_enough(objects[:half], row_shift)
        yield from _small_enough(objects[half:], row_shift + half)


def _sheet(path: Path) -> list[list[Any]]:
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about days that Excel cannot show
        sheet = openpyxl.load_workbook(file, read_only=True).worksheets[0]
        sheet.reset_dimensions()
        return [[_json_value(cell.value) for cell in row] for row in sheet.iter_rows()]


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        value = value.date()
    return str(value) if isinstance(value, date | time | timedelta) else value


def _rows(path: Path, encoding: Encoding) -> list[list[str]] | None:
    if encoding is Encoding.XLSX:
        return None
    name = "utf-8-sig" if encoding is Encoding.UTF_8 else encoding.value
    try:
        with path.open(encoding=name, newline="") as file:
            rows = list(csv.reader(file))
    except (UnicodeError, csv.Error):
        return None
    cells = (cell for row in rows for cell in row)
    return None if any(map(ILLEGAL_CHARACTERS_RE.search, cells)) else _fill_up(rows)


def _fill_up(rows: list[list[str]]) -> list[list[str]]:
    """Rows that Excel shows as long as they are: those that are too short get too long."""
    header = _header_at(rows)
    if header is None:
        return rows
    width = _width(rows[header])
    return [
        [*row, *[""] * (width - len(row)), "短"]
        if at > header and len(row) < width and not all(map(is_empty, row))
        else row
        for at, row in enumerate(rows)
    ]


def _header_at(rows: list[list[Any]]) -> int | None:
    texts = ([remove_space(cell) for cell in row if isinstance(cell, str)] for row in rows)
    return next((at for at, row in enumerate(texts) if ID_COLUMN in row), None)


def _width(header: list[Any]) -> int:
    width = len(header)
    while _is_empty(header[width - 1]):
        width -= 1
    return width


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and is_empty(cell))


def _write_sheet(rows: list[list[str]], path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        cells = [WriteOnlyCell(sheet, cell) for cell in row or [""]]
        for cell in cells:
            cell.data_type = "s"  # text, whatever it looks like
        sheet.append(cells)
    book.save(path)

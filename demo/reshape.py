"""The same deliveries in another form: every CSV file as an Excel file with the same rows."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from app.records.cells import is_empty, remove_space
from app.records.reading import Encoding
from demo.load import LIST, ListedDelivery

ID_COLUMN = "身份证号"
HEADER = ("序号", "文件", "记录类型", "报送单位", "报送日期", "编码")


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
    header = next((at for at, row in enumerate(rows) if ID_COLUMN in map(remove_space, row)), None)
    if header is None:
        return rows
    width = len(rows[header])
    while is_empty(rows[header][width - 1]):
        width -= 1
    return [
        [*row, *[""] * (width - len(row)), "短"]
        if at > header and len(row) < width and not all(map(is_empty, row))
        else row
        for at, row in enumerate(rows)
    ]


def _write_sheet(rows: list[list[str]], path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        cells = [WriteOnlyCell(sheet, cell) for cell in row or [""]]
        for cell in cells:
            cell.data_type = "s"  # text, whatever it looks like
        sheet.append(cells)
    book.save(path)

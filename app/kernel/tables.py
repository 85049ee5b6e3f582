"""Tables for spreadsheets: CSV and Excel files that no program takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know UTF-8


def write_csv(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV text; None is an empty cell, and a cell like a formula is led by a quote."""
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def write_xlsx(rows: Iterable[Sequence[object]], *, sheet_name: str) -> bytes:
    """The rows as an Excel file: numbers are numbers, everything else is text, never a formula."""
    import xlsxwriter  # noqa: PLC0415 -- no other process needs it at its start
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415 -- the same

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet(sheet_name)
        as_text = book.add_format({"quote_prefix": True})  # no formula after an edit either
        for at, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, int | float):
                    sheet.write_number(at, place, cell)
                elif cell is not None:
                    shown = ILLEGAL_CHARACTERS_RE.sub("", str(cell))
                    sheet.write_string(at, place, shown, as_text)
    return content.getvalue()


def _safe(cell: object) -> object:
    if isinstance(cell, str) and (
        cell.startswith(_BEGINS_FORMULA) or cell.lstrip().startswith(_BEGINS_FORMULA)
    ):
        return f"'{cell}"
    return cell

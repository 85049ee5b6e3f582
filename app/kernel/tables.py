"""Tables for spreadsheets: CSV and Excel files that no program takes for formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# The Unicode property White_Space, with U+200B and U+FEFF, which departments' files are full of.
SPACE = "".join(
    map(chr, (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029,
              0x202F, 0x205F, 0x3000, 0xFEFF))
)  # fmt: skip
# What a spreadsheet program might calculate, led by any number of apostrophes.
_CALCULATED = re.compile(rf"'*(?:[\t\r\n]|[{SPACE}]*[=+\-@＝＋－＠])")
BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know UTF-8
XLSX_CELL_MAX_UNITS = 32_767  # of UTF-16
CUT_OFF = "…（超出单元格长度，以下略）"


def write_csv(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV text; None is an empty cell, and a cell like a formula is led by a quote."""
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerows(
        [defused(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue()


def write_xlsx(rows: Iterable[Sequence[object]], *, sheet_name: str) -> bytes:
    """The rows as an Excel file: numbers are numbers, everything else is text, never a formula.

    A text that is longer than a cell ends with words that say so.
    """
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
                    sheet.write_string(at, place, _fitting(shown), as_text)
    return content.getvalue()


def fits_xlsx(text: str) -> bool:
    """Whether a cell of Excel can hold the text."""
    # Most texts are short, and no sign takes more than two units.
    return len(text) <= XLSX_CELL_MAX_UNITS // 2 or len(_units(text)) <= 2 * XLSX_CELL_MAX_UNITS


def _fitting(text: str) -> str:
    if fits_xlsx(text):
        return text
    start = _units(text)[: 2 * (XLSX_CELL_MAX_UNITS - len(CUT_OFF))]
    return start.decode("utf-16-le", "ignore") + CUT_OFF


def _units(text: str) -> bytes:
    return text.encode("utf-16-le")


def defused(cell: str) -> str:
    """The text with an apostrophe before it if a program might calculate it."""
    return f"'{cell}" if _CALCULATED.match(cell) else cell


def undefused(cell: str) -> str:
    """The text that was `defused`: exactly what stood there before."""
    return cell[1:] if cell[:1] == "'" and _CALCULATED.match(cell) else cell

"""Tables for spreadsheets: CSV that no program takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know UTF-8


def write_csv(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV text; None is an empty cell, and a cell like a formula is led by a quote."""
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip().startswith(_BEGINS_FORMULA):
        return f"'{cell}"
    return cell

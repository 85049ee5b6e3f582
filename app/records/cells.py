"""How one cell of a delivery is read: the kinds of the data interface, as pure functions.

A raw cell is text.  What only Excel can tell about it (a number, a day, a formula) is told by a
subclass of `str`, so that everything else can treat it as its text.  A reader returns None for
what does not read; text that is empty after reading is the caller's business.  ID numbers, names
and phone numbers are spelled as the members room spells them, so that they compare.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from app.kernel.tables import SPACE
from app.members.id_numbers import compact_id_number, has_id_number_shape
from app.members.spelling import PhoneInvalid, parse_phone

_NO_SPACE = dict.fromkeys(map(ord, SPACE))
_JOINT = "\0"  # no text of a file contains it
_EMPTY_OR_FORMULA = re.compile(rf"\0[{SPACE}]*[\0=@+-]")
_PLAIN_SIGNED = re.compile(r"[+-][0-9]+(\.[0-9]+)?")
_TIME = r"[T ]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:{_TIME})?",
        rf"([0-9]{{4}})/([0-9]{{1,2}})/([0-9]{{1,2}})(?:{_TIME})?",
        r"([0-9]{4})([0-9]{2})([0-9]{2})",
        r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日",
    )
)
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
CACHED_VALUES = 4_096  # days and quantities repeat; what tells one person from another is not kept
_VERSION = re.compile(r"0*[1-9][0-9]{0,3}")


class NumberCell(str):
    """The shortest decimal text of an Excel number cell."""

    __slots__ = ()


class DayCell(str):
    """The ISO text of the day of an Excel date cell."""

    __slots__ = ()


class FormulaCell(str):
    """The text of an Excel formula."""

    __slots__ = ()


class BrokenLine(str):
    """A line of CSV whose quotes do not close; it stands for all cells of its row."""

    __slots__ = ()


def trim(text: str) -> str:
    """Without white space at both ends."""
    return text.strip(SPACE)


def remove_space(text: str) -> str:
    """Without any white space."""
    return text.translate(_NO_SPACE)


def is_empty(cell: str) -> bool:
    """Nothing is left when trimmed."""
    return not trim(cell)


def is_formula(cell: str) -> bool:
    """An Excel formula, or text that a spreadsheet would run as one; judged as delivered."""
    if isinstance(cell, FormulaCell):
        return True
    text = trim(cell)
    if text[:1] in {"=", "@"}:
        return True
    return text[:1] in {"+", "-"} and len(text) > 1 and not _PLAIN_SIGNED.fullmatch(text)


def is_plain(cells: Sequence[str]) -> bool:
    """Surely none of the cells is empty or a formula; one search that nearly every row passes."""
    if FormulaCell in map(type, cells):
        return False
    return not _EMPTY_OR_FORMULA.search(_JOINT + _JOINT.join(cells) + _JOINT)


def read_id_number(cell: str) -> str | None:
    """A resident ID number in its normal form (capital X), its check digit not yet looked at."""
    if isinstance(cell, NumberCell | DayCell):
        return None  # a number cell has lost digits, whatever it shows
    text = compact_id_number(cell)
    return text if has_id_number_shape(text) else None


@lru_cache(maxsize=CACHED_VALUES, typed=True)
def read_date(cell: str) -> date | None:
    """A day in one of the four written forms, or of an Excel date cell; a time is ignored."""
    if isinstance(cell, DayCell):
        return date.fromisoformat(cell)
    text = trim(unicodedata.normalize("NFKC", cell))
    for pattern in _DATES:
        found = pattern.fullmatch(text)
        if found:
            return _day(*found.groups())
    return None


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


@lru_cache(maxsize=CACHED_VALUES, typed=True)
def read_number(cell: str) -> str | None:
    """A decimal number in its normal form: no sign of zero, no needless zeros ("2.50" → "2.5")."""
    found = _NUMBER.fullmatch(trim(unicodedata.normalize("NFKC", cell)))
    if not found:
        return None
    sign, whole, fraction = found.groups(default="")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    text = f"{whole}.{fraction}" if fraction else whole
    return sign + text if text != "0" else text


def decimal_places(number: str) -> int:
    """How many decimal places a number in its normal form has."""
    return len(number.partition(".")[2])


def read_phone(cell: str) -> str | None:
    """A mobile number of 11 digits."""
    try:
        return parse_phone(cell)
    except PhoneInvalid:
        return None


def read_text(cell: str) -> str:
    """Free text: trimmed, CRLF as LF."""
    return trim(cell).replace("\r\n", "\n")


def read_version(code: str) -> int | None:
    """A version number from 1 to 9999 from a compacted code."""
    return int(code) if _VERSION.fullmatch(code) else None

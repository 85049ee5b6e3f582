"""How one cell of a delivery is read: the kinds of the data interface, as pure functions.

A raw cell is text.  What only Excel can tell about it (a number, a day, a formula) is told by a
subclass of `str`, so that everything else can treat it as its text.  A reader returns None for
what does not read; text that is empty after reading is the caller's business.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

# The Unicode property White_Space, with U+200B and U+FEFF, which departments' files are full of.
_SPACE = (
    "\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_ANY_SPACE = re.compile(f"[{_SPACE}]+")
_OUTER_SPACE = re.compile(f"^[{_SPACE}]+|[{_SPACE}]+$")
_PLAIN_SIGNED = re.compile(r"[+-][0-9]+(\.[0-9]+)?")
_ID_NUMBER = re.compile(r"[0-9]{17}[0-9X]")
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
_VERSION = re.compile(r"0*[1-9][0-9]{0,3}")
_PHONE = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})")
_MIDDLE_DOTS = str.maketrans(dict.fromkeys("\u2022\u2027\u30fb\uff65\uff0e", "\u00b7"))
_CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_SIGNS = "10X98765432"
ADULT_YEARS = 18


class NumberCell(str):
    """The shortest decimal text of an Excel number cell."""

    __slots__ = ()


class DayCell(str):
    """The ISO text of the day of an Excel date cell."""

    __slots__ = ()


class FormulaCell(str):
    """The text of an Excel formula."""

    __slots__ = ()


def trim(text: str) -> str:
    """Without white space at both ends."""
    return _OUTER_SPACE.sub("", text)


def remove_space(text: str) -> str:
    """Without any white space."""
    return _ANY_SPACE.sub("", text)


def compact(text: str) -> str:
    """NFKC, then without any white space."""
    return _ANY_SPACE.sub("", unicodedata.normalize("NFKC", text))


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


def read_id_number(cell: str) -> str | None:
    """A resident ID number in its normal form (capital X), its check digit not yet looked at."""
    if isinstance(cell, NumberCell | DayCell):
        return None  # a number cell has lost digits, whatever it shows
    text = compact(cell).upper()
    return text if _ID_NUMBER.fullmatch(text) else None


def has_check_digit(id_number: str) -> bool:
    """Whether the check digit of GB 11643 is right."""
    total = sum(
        weight * int(digit) for weight, digit in zip(_CHECK_WEIGHTS, id_number[:17], strict=True)
    )
    return _CHECK_SIGNS[total % 11] == id_number[17]


def birth_date(id_number: str) -> date | None:
    """The date of birth in an ID number; None when there is no such day."""
    return _day(id_number[6:10], id_number[10:12], id_number[12:14])


def adult_on(born_on: date) -> date:
    """The eighteenth birthday; for somebody born on 29 February, 1 March."""
    year = born_on.year + ADULT_YEARS
    if year > date.max.year:
        return date.max
    try:
        return born_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


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


def read_name(cell: str) -> str:
    """A person's name: no white space, the middle dots of foreign names alike."""
    return remove_space(cell).translate(_MIDDLE_DOTS)


def read_phone(cell: str) -> str | None:
    """A mobile number of 11 digits."""
    found = _PHONE.fullmatch(compact(cell).replace("-", ""))
    return found.group(1) if found else None


def read_text(cell: str) -> str:
    """Free text: trimmed, CRLF as LF."""
    return trim(cell).replace("\r\n", "\n")


def read_version(code: str) -> int | None:
    """A version number from 1 to 9999 from a compacted code."""
    return int(code) if _VERSION.fullmatch(code) else None

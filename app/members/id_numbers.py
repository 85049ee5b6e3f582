"""Resident identity numbers (GB 11643): canonical form, check digit, date of birth, masking.

A number is written in one way only: 18 characters, digits and a capital X.  Full-width digits,
blanks anywhere and a small x are brought into that form first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from operator import mul
from typing import ClassVar

from app.kernel.errors import Invalid
from app.members.spelling import compact

ADULT_YEARS = 18
_SHAPE = re.compile(r"[0-9]{17}[0-9X]")
_SHAPE_IN_TEXT = re.compile(rf"(?<![0-9]){_SHAPE.pattern}(?![0-9])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ZEROS = ord("0") * sum(_WEIGHTS)  # what the characters of digits are more than the digits
_CHECK_CHARACTERS = "10X98765432"


class IdNumberInvalid(Invalid):
    """The number is no resident identity number: length, date of birth or check digit."""

    code: ClassVar[str] = "id_number_invalid"
    title: ClassVar[str] = "This is not a resident identity number"
    advice: ClassVar[str] = "身份证号码有误，请核对后重新输入。"


@dataclass(frozen=True)
class IdNumber:
    """A checked number in canonical form; the number never shows in a representation."""

    value: str = field(repr=False)
    born_on: date = field(repr=False)


def compact_id_number(text: str) -> str:
    """The text in canonical form, unchecked: NFKC, without white space, upper case."""
    return compact(text).upper()


def has_id_number_shape(value: str) -> bool:
    """Whether a compacted text is 17 digits and a digit or X."""
    return _SHAPE.fullmatch(value) is not None


def has_right_check_character(value: str) -> bool:
    """Whether the last character of a well-shaped number is the check character of the others."""
    return value[-1] == check_character(value[:17])


def check_character(first_digits: str) -> str:
    """The 18th character for the first 17 digits (ISO 7064 MOD 11-2)."""
    total = sum(map(mul, first_digits.encode(), _WEIGHTS)) - _ZEROS
    return _CHECK_CHARACTERS[total % 11]


def birth_date(value: str) -> date | None:
    """The date of birth in a well-shaped number, or None when there is no such day."""
    try:
        return date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return None


def parse_id_number(text: str) -> IdNumber:
    """The number in any usual spelling; IdNumberInvalid when it is none."""
    value = compact_id_number(text)
    born_on = _born_on(value)
    if born_on is None:
        raise IdNumberInvalid
    return IdNumber(value=value, born_on=born_on)


def is_id_number(value: str) -> bool:
    """Whether a compacted text is a resident identity number."""
    return _born_on(value) is not None


def has_id_number_shape_within(text: str) -> bool:
    """Whether something in a compacted text looks like an identity number."""
    return _SHAPE_IN_TEXT.search(text) is not None


def id_numbers_within(text: str) -> set[str]:
    """The identity numbers that stand in a compacted text, in capitals, among other signs."""
    return {found for found in _SHAPE_IN_TEXT.findall(text) if is_id_number(found)}


def _born_on(value: str) -> date | None:
    if not has_id_number_shape(value) or not has_right_check_character(value):
        return None
    return birth_date(value)


def is_adult(*, born_on: date, on: date) -> bool:
    """Whether somebody is 18 on this day; the eighteenth birthday itself is old enough.

    Somebody born on 29 February comes of age on 1 March of a year without such a day.
    """
    birthday = (born_on.year + ADULT_YEARS, born_on.month, born_on.day)
    return (on.year, on.month, on.day) >= birthday


def mask_id_number(value: str) -> str:
    """The number with eight stars over the birth date: 330702********1234."""
    return f"{value[:6]}********{value[-4:]}"

"""Unified social credit codes (GB 32100-2015): 18 characters, the last one checks the others.

One resident identity number in 31 passes that check by chance.  A merchant's code is public, so
what is a good identity number is never taken for one: it would publish a person's.
"""

from __future__ import annotations

import unicodedata
from typing import ClassVar

from app.kernel.errors import Invalid
from app.members.id_numbers import is_id_number

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LENGTH = 18
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


class CreditCodeInvalid(Invalid):
    """Not a unified social credit code: length, characters, check digit, or a person's."""

    code: ClassVar[str] = "credit_code_invalid"
    title: ClassVar[str] = "The unified social credit code is wrong"
    advice: ClassVar[str] = "统一社会信用代码有误，请对照营业执照核对。"


def check_character(first_seventeen: str) -> str:
    """The last character that belongs to these seventeen."""
    total = sum(
        _VALUES[character] * pow(3, place, 31) for place, character in enumerate(first_seventeen)
    )
    return ALPHABET[-total % 31]


def parse_credit_code(text: str) -> str:
    """The code in its one canonical form; CreditCodeInvalid when it is none."""
    code = "".join(unicodedata.normalize("NFKC", text).split()).upper()
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        raise CreditCodeInvalid
    if check_character(code[:-1]) != code[-1] or is_id_number(code):
        raise CreditCodeInvalid
    return code

"""Unified social credit codes (GB 32100-2015): 18 characters, the last one checks the others.

One resident identity number in 31 passes that check by chance.  A merchant's code is public, so
what is a good identity number is never taken for one: it would publish a person's.
"""

from __future__ import annotations

import unicodedata
from typing import ClassVar

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from app.kernel.errors import Invalid
from app.members.id_numbers import is_id_number


class CreditCodeInvalid(Invalid):
    """Not a unified social credit code: length, characters, check digit, or a person's."""

    code: ClassVar[str] = "credit_code_invalid"
    title: ClassVar[str] = "The unified social credit code is wrong"
    advice: ClassVar[str] = "统一社会信用代码有误，请对照营业执照核对。"


def check_character(first_seventeen: str) -> str:
    """The last character that belongs to these seventeen."""
    return uscc.calc_check_digit(first_seventeen)


def parse_credit_code(text: str) -> str:
    """The code in its one canonical form; CreditCodeInvalid when it is none."""
    joined = "".join(unicodedata.normalize("NFKC", text).split())
    try:
        code = uscc.validate(joined)
    except ValidationError as error:
        raise CreditCodeInvalid from error
    if is_id_number(code):
        raise CreditCodeInvalid
    return code

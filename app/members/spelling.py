"""One spelling for names and phone numbers, so that they compare; and their masked forms."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

from app.kernel.errors import Invalid

NAME_MAX_CHARS = 64
_MIDDLE_DOTS = dict.fromkeys(map(ord, "\u2022\u2027\u30fb\uff65\uff0e"), "\u00b7")
_PHONE = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})")


class PhoneInvalid(Invalid):
    """The text is no mainland mobile number."""

    code: ClassVar[str] = "phone_invalid"
    title: ClassVar[str] = "This is not a mainland mobile number"
    advice: ClassVar[str] = "手机号码有误，请核对后重新输入。"


class NameInvalid(Invalid):
    """The name is empty, too long, or holds control characters."""

    code: ClassVar[str] = "name_invalid"
    title: ClassVar[str] = "This is not a name"
    advice: ClassVar[str] = "姓名有误，请填写与身份证一致的姓名。"


def without_white_space(text: str) -> str:
    """The text without any Unicode white space, zero-width space or byte order mark."""
    joined = "".join(text.split())  # at all white space of Unicode
    return joined.replace("\u200b", "").replace("\ufeff", "")


def compact(text: str) -> str:
    """NFKC (full-width signs become half-width), then without white space."""
    if text.isascii():  # and therefore normal
        return "".join(text.split())
    return without_white_space(unicodedata.normalize("NFKC", text))


def canonical_name(text: str) -> str:
    """A name without white space and with one kind of middle dot; otherwise unchanged."""
    return without_white_space(text).translate(_MIDDLE_DOTS)


def parse_name(text: str) -> str:
    """A name in canonical form; NameInvalid when it cannot be one."""
    name = canonical_name(text)
    if not 0 < len(name) <= NAME_MAX_CHARS or not name.isprintable():
        raise NameInvalid
    return name


def parse_phone(text: str) -> str:
    """Eleven digits; PhoneInvalid for anything but a mainland mobile number."""
    found = _PHONE.fullmatch(compact(text).replace("-", ""))
    if found is None:
        raise PhoneInvalid
    return found[1]


def mask_name(name: str) -> str:
    """A name with everything but its first character covered."""
    return name[:1] + "*" * (len(name) - 1)


def mask_phone(phone: str) -> str:
    """A phone number with its middle four digits covered."""
    return f"{phone[:3]}****{phone[-4:]}"

"""The text of SIP2 (3M Standard Interchange Protocol 2.00): what comes in, what goes out.

Read are the fields that are needed and no others: what else stands in a message, a title or an item
say, is passed over before it has become a value.  A message is taken apart after it was decoded,
because `|` is half a character in some texts of GB18030.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Final

from app.kernel.clock import CITY_ZONE

VALUE_MAX_CHARS: Final = 255
RESEND: Final = "96"
_TRAILER: Final = re.compile(rb"(?:AY(?P<sequence>[0-9]))?(?:AZ(?P<sum>[0-9A-Fa-f]{4}))?\Z")
_NOT_IN_VALUES: Final = re.compile(r"[|\x00-\x1f\x7f]")
_KIND_CHARS: Final = 2
# Of each message that is read: how many characters come first, and which fields are wanted.
_READ: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "93": (2, ("CN", "CO")),
    "99": (8, ()),
    "23": (21, ("AO", "AA")),
    "63": (31, ("AO", "AA")),
    "35": (18, ("AO", "AA")),
    "97": (0, ()),
}


class BadMessageError(ValueError):
    """The message cannot be read: a wrong checksum, cut, or not of the agreed encoding."""


@dataclass(frozen=True)
class Request:
    """A message of a machine; of kinds that are not read, the kind alone.

    `fixed` are the characters before the fields.  `sequence` and `checked` say with which sequence
    number and whether with a checksum it came: the answer goes back in the same manner.
    """

    kind: str
    fixed: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    sequence: str | None = None
    checked: bool = False


def read_message(line: bytes, *, encoding: str) -> Request:
    """A message without its end of line.  BadMessageError."""
    found = _TRAILER.search(line)
    assert found is not None, "the end is always found"
    if found["sum"] is not None:
        expected = checksum(line[: found.start("sum")]).encode()
        if not compare_digest(found["sum"].upper(), expected):
            raise BadMessageError
    try:
        text = line[: found.start()].decode(encoding)
    except UnicodeDecodeError:
        raise BadMessageError from None
    kind = text[:_KIND_CHARS]
    if not (kind.isascii() and kind.isdecimal() and len(kind) == _KIND_CHARS):
        raise BadMessageError
    sequence = None if found["sequence"] is None else found["sequence"].decode()
    fixed, fields = _parts(kind, text[_KIND_CHARS:])
    return Request(kind, fixed, fields, sequence, checked=found["sum"] is not None)


def write_message(text: str, *, encoding: str, request: Request | None = None) -> bytes:
    """An answer with its end of line, in the manner of the request that it answers."""
    body = text.encode(encoding)
    if request is not None and request.sequence is not None:
        body += b"AY" + request.sequence.encode()
    if request is None or request.checked:
        body += b"AZ"
        body += checksum(body).encode()
    return body + b"\r"


def checksum(body: bytes) -> str:
    """What makes the sum of all bytes zero in 16 bits; `body` ends with `AZ`."""
    return f"{-sum(body) & 0xFFFF:04X}"


def value(name: str, content: str) -> str:
    """A field; what would end it or the line is left out."""
    return f"{name}{_NOT_IN_VALUES.sub('', content)[:VALUE_MAX_CHARS]}|"


def moment_text(moment: datetime) -> str:
    """YYYYMMDD, four blanks for the local time, HHMMSS."""
    return moment.astimezone(CITY_ZONE).strftime("%Y%m%d    %H%M%S")


def _parts(kind: str, rest: str) -> tuple[str, dict[str, str]]:
    if kind not in _READ:
        return "", {}
    length, wanted = _READ[kind]
    parts = rest[length:].split("|")
    fields = {part[:2]: part[2:] for part in parts if part[:2] in wanted}
    if len(rest) < length or set(fields) != set(wanted) or any(p[:2] == "AY" for p in parts):
        raise BadMessageError
    if any(len(content) > VALUE_MAX_CHARS for content in fields.values()):
        raise BadMessageError
    return rest[:length], fields

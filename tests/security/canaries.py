"""Canaries: personal data and secrets that are looked for afterwards, in every usual spelling."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from app.web.logs import OUR_LOGGERS, PrivateFormatter

_SHORTEST = 9  # bytes: a name of three Chinese characters


def spellings(canary: str) -> set[bytes]:
    """Plain, reversed, hexadecimal, base64 (wherever it starts), and escaped as in JSON."""
    raw = canary.encode()
    found = {raw, canary[::-1].encode(), raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        whole = text[4 if shift else 0 : len(text) // 4 * 4 - 4]  # without what neighbours decide
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    if not canary.isascii():
        found.add(canary.encode("unicode_escape"))
    return {one for one in found if len(one) >= _SHORTEST}


def sightings(canaries: Iterable[str], text: bytes) -> set[str]:
    """The canaries that stand somewhere in a text."""
    by_start: dict[bytes, list[tuple[bytes, str]]] = {}
    for canary in canaries:
        for spelt in spellings(canary):
            by_start.setdefault(spelt[:_SHORTEST], []).append((spelt, canary))
    found = set()
    for at in range(len(text) - _SHORTEST + 1):
        for spelt, canary in by_start.get(text[at : at + _SHORTEST], ()):
            if text.startswith(spelt, at):
                found.add(canary)
    return found


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Each line at every level as the server writes it; of our own also what it was made from."""
    stream = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stream.write(f"{PrivateFormatter().format(record)}\n")
            if record.name.split(".")[0] in OUR_LOGGERS:
                stream.write(f"{record.getMessage()} {vars(record)}\n")

    handler, root = Everything(logging.DEBUG), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.setLevel(level)
        root.removeHandler(handler)

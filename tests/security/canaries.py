"""Canaries: personal data and secrets that are looked for afterwards, in every usual spelling."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from app.web.logs import OUR_LOGGERS, PrivateFormatter

_SHORTEST = 9  # bytes: a name of three Chinese characters
_WORD = 8  # bytes that are compared at once; no spelling is shorter


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
    by_start: dict[int, list[tuple[bytes, str]]] = {}
    for canary in canaries:
        for spelt in spellings(canary):
            start = int.from_bytes(spelt[:_WORD], "little")
            by_start.setdefault(start, []).append((spelt, canary))
    starts = np.array(sorted(by_start), np.dtype("<u8"))
    found = set()
    for shift in range(min(_WORD, len(text))):
        words = np.frombuffer(text, starts.dtype, (len(text) - shift) // _WORD, shift)
        likely = starts[np.minimum(starts.searchsorted(words), len(starts) - 1)] == words
        for at in np.flatnonzero(likely):
            place = shift + int(at) * _WORD
            found |= {
                canary for spelt, canary in by_start[int(words[at])]
                if text.startswith(spelt, place)
            }
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

"""On which line of a TOML text a key stands: for messages, never for meaning."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""' r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'|#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)
_WORD = r"""(?:[\w-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_KEY = re.compile(rf"{_WORD}(?:\s*\.\s*{_WORD})*")
_HEADER = re.compile(rf"[ \t]*(\[\[?)\s*({_KEY.pattern})\s*\]")
_ENTRY = re.compile(rf"[ \t]*({_KEY.pattern})\s*=")


class SourceLines:
    """The lines of a text that tomllib has read; a key inside a value has the line of the value."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        counts: dict[Path, int] = {}
        table: Path = ()
        for start in _statements(text):
            line = text.count("\n", 0, start) + 1
            if header := _HEADER.match(text, start):
                table = _table(_parts(header[2]), counts, is_list=header[1] == "[[")
                self._lines.setdefault(table, line)
            elif entry := _ENTRY.match(text, start):
                self._lines[table + _parts(entry[1])] = line

    def line_of(self, path: Path) -> int:
        """The line of a key, or of the nearest thing around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]


def _statements(text: str) -> Iterator[int]:
    """Where the lines begin that are outside every string and bracket."""
    depth = 0
    yield 0
    for token in _TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and depth == 0:
            yield token.end()


def _parts(key: str) -> Path:
    """`a."b c"` as ("a", "b c")."""
    found: object = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(found, dict):
        [(name, found)] = found.items()
        parts.append(name)
    return tuple(parts)


def _table(parts: Path, counts: dict[Path, int], *, is_list: bool) -> Path:
    """A header's path with the places in lists of tables."""
    path: Path = ()
    for at, part in enumerate(parts):
        path += (part,)
        if is_list and at == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path

"""Reading documents that people write (TOML, JSON): strictly, and saying what is wrong where."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import orjson

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

TEXT_MAX_CHARS = 500
WHOLE_MAX = 1_000_000_000


class DocumentFormat(StrEnum):
    """How a document is written."""

    TOML = "toml"
    JSON = "json"


class DocumentError(ValueError):
    """The document does not make sense: `key` says where, `problem` why."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


def read_document(
    text: str, *, form: DocumentFormat, place: str, error: type[DocumentError]
) -> dict[str, Any]:
    """The table that a text holds; `error`, with `place` as its key, when it holds none."""
    try:
        found = tomllib.loads(text) if form is DocumentFormat.TOML else orjson.loads(text)
    except (tomllib.TOMLDecodeError, orjson.JSONDecodeError, RecursionError) as unreadable:
        raise error(place, f"no {form.value.upper()}: {unreadable}") from unreadable
    if not isinstance(found, dict):
        raise error(place, "a table expected")
    return found


class Entry:
    """A table that is read key by key; what is left over at the end is an error."""

    def __init__(
        self, entries: Mapping[str, Any], place: str, error: type[DocumentError]
    ) -> None:
        self._left = dict(entries)
        self._error = error
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def fault(self, key: str, problem: str) -> DocumentError:
        """The error to raise about a key."""
        return self._error(f"{self.place}.{key}", problem)

    def take(self, key: str, kind: type[T]) -> T:
        """The value of a key that must be there and of this kind; a truth is no number."""
        found = self._left.pop(key, None)
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise self.fault(key, f"missing, or no {kind.__name__}")
        return found

    def text(self, key: str) -> str:
        """A text that says something."""
        found = self.take(key, str)
        if not found.strip():
            raise self.fault(key, "missing: the text is empty")
        if len(found) > TEXT_MAX_CHARS or not found.isprintable():
            raise self.fault(key, f"a line of at most {TEXT_MAX_CHARS} printable characters")
        return found

    def optional_text(self, key: str) -> str | None:
        """A text, where there is one."""
        return self.text(key) if key in self else None

    def whole(self, key: str, *, least: int = 0, most: int = WHOLE_MAX) -> int:
        """A whole number within bounds."""
        found = self.take(key, int)
        if not least <= found <= most:
            raise self.fault(key, f"a whole number from {least} to {most} expected")
        return found

    def truth(self, key: str, *, default: bool | None = None) -> bool:
        """True or false."""
        return default if default is not None and key not in self else self.take(key, bool)

    def choice(self, key: str, kind: type[E]) -> E:
        """One of a few words."""
        found = self.text(key)
        if found not in list(kind):
            raise self.fault(key, f"one of {', '.join(kind)} expected")
        return kind(found)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of different texts; an absent one is empty."""
        found = self.take(key, list) if key in self else []
        if not all(isinstance(one, str) and one.strip() and one.isprintable() for one in found):
            raise self.fault(key, "a list of texts expected")
        if len(set(found)) != len(found):
            raise self.fault(key, "a text stands twice")
        return tuple(found)

    def text_table(self, key: str) -> dict[str, str]:
        """A table of texts; an absent one is empty."""
        found = self.take(key, dict) if key in self else {}
        if not all(isinstance(one, str) and one for one in found.values()):
            raise self.fault(key, "a table of texts expected")
        return found

    def tables(self, key: str) -> list[dict[str, Any]]:
        """A list of tables, at least one."""
        found = self.take(key, list)
        if not found or not all(isinstance(one, dict) for one in found):
            raise self.fault(key, "a list of tables expected")
        return found

    def finish(self) -> None:
        """Everything was read."""
        if self._left:
            raise self.fault(min(self._left), "unknown key")

"""Documents that are tables of known keys: what reads them, what editors know of them, faults.

A document is described once, as a table of keys; the reader, the JSON Schema for editors and the
lines of its errors are made of that.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from app.kernel.source_lines import Path, SourceLines

DECIMAL = r"-?[0-9]{1,9}(\.[0-9]{1,6})?"
WHOLE_MAX = 1_000_000_000


class Kind(StrEnum):
    """What a key holds."""

    TEXT = "text"
    WHOLE = "whole"
    FLAG = "flag"
    DATE = "date"
    TIME = "time"
    DECIMAL = "decimal"
    TEXTS = "texts"
    NUMBERS = "numbers"
    DECIMALS = "decimals"
    WHOLES = "wholes"
    TABLE = "table"
    TABLES = "tables"
    NAMED = "named"  # tables under names that the document chooses


@dataclass(frozen=True)
class Key:
    """A key: what it holds, what it means, whether it must be there."""

    kind: Kind
    says: str
    needed: bool = True
    choices: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: where, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file; `place` names the key, entries by their code."""

    line: int
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason} (line {self.line})"


class KeyedDocumentError(ValueError):
    """The file does not make sense; every line of the message names a key."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def load_toml(document: str, *, name: str, error: type[KeyedDocumentError]) -> dict[str, Any]:
    """The tables of a text; `error` with the line, when it is no TOML."""
    try:
        return tomllib.loads(document)
    except tomllib.TOMLDecodeError as unreadable:
        words = [word.rstrip(",)") for word in str(unreadable).split()]
        lines = [word for word in words if word.isdigit()]
        line = int(lines[0]) if lines else document.count("\n") + 1
        raise error([Fault(line, name, str(unreadable))]) from unreadable


def locate_findings(
    document: str, root: dict[str, Any], findings: Sequence[Finding], *, name: str
) -> list[Fault]:
    """What was found, in the order of its lines."""
    lines = SourceLines(document)
    faults = [
        Fault(lines.line_of(one.path), _place(root, one.path, name), one.reason)
        for one in findings
    ]
    return sorted(faults, key=lambda fault: fault.line)


def _place(root: dict[str, Any], path: Path, name: str) -> str:
    """`scheme.indicator 301.measure`; an entry without a code goes by its number."""
    place, at = name, cast("Any", root)
    for part in path:
        at = at[part] if isinstance(part, int) or part in at else {}
        if not isinstance(part, int):
            place += f".{part}"
        elif isinstance(at, dict) and isinstance(at.get("code", at.get("indicator")), str):
            place += f" {at.get('code', at.get('indicator'))}"
        else:
            place += f"[{part}]"
    return place


def read_keys(
    keys: Mapping[str, Key], table: Mapping[str, Any], path: Path, findings: list[Finding]
) -> dict[str, Any]:
    """The values of a table; what is wrong with it is added to the findings and left out."""
    found: dict[str, Any] = {}
    findings += [Finding((*path, key), "unknown key") for key in sorted(set(table) - set(keys))]
    for name, key in keys.items():
        place = (*path, name)
        if name not in table:
            if key.needed:
                findings.append(Finding(place, "missing"))
        elif key.kind is Kind.TABLE and isinstance(table[name], dict):
            found[name] = read_keys(key.keys, table[name], place, findings)
        elif key.kind is Kind.NAMED and _is_named(table[name]):
            found[name] = {
                one: read_keys(key.keys, table[name][one], (*place, one), findings)
                for one in table[name]
            }
        elif key.kind is Kind.TABLES and _is_list_of(table[name], dict):
            found[name] = [
                read_keys(key.keys, one, (*place, at), findings)
                for at, one in enumerate(table[name])
            ]
        else:
            _read_value(key, table[name], place, findings, found)
    return found


def _read_value(
    key: Key, value: object, place: Path, findings: list[Finding], found: dict[str, Any]
) -> None:
    reason = _reason(key, value)
    if reason is not None:
        findings.append(Finding(place, reason))
    elif isinstance(value, dict):
        decimals = key.kind is Kind.DECIMALS
        found[str(place[-1])] = {k: Decimal(v) if decimals else v for k, v in value.items()}
    else:
        found[str(place[-1])] = Decimal(str(value)) if key.kind is Kind.DECIMAL else value


def _reason(key: Key, value: object) -> str | None:
    if key.choices:
        return None if value in key.choices else f"one of {', '.join(key.choices)} expected"
    fits, expected = _FORMS[key.kind]
    return None if fits(value) else f"{expected} expected"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= WHOLE_MAX


def _is_decimal(value: object) -> bool:
    """Written as text, so that no binary fraction comes near it."""
    return isinstance(value, str) and re.fullmatch(DECIMAL, value) is not None


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and _is_list_of([*value.values()], dict)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_table_of(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(fits, value.values()))


_FORMS: dict[Kind, tuple[Callable[[object], bool], str]] = {
    Kind.TEXT: (_is_text, "a text"),
    Kind.WHOLE: (_is_whole, "a whole number, not negative,"),
    Kind.FLAG: (lambda value: isinstance(value, bool), "true or false"),
    Kind.DATE: (
        lambda value: isinstance(value, date) and not isinstance(value, datetime),
        "a date, 2026-01-01 without quotes,",
    ),
    Kind.TIME: (lambda value: isinstance(value, time), "a time, 09:00:00 without quotes,"),
    Kind.DECIMAL: (_is_decimal, "a decimal number in quotes"),
    Kind.TEXTS: (lambda value: _is_list_of(value, str), "a list of texts"),
    Kind.NUMBERS: (
        lambda value: isinstance(value, list) and all(map(_is_whole, value)),
        "a list of whole numbers",
    ),
    Kind.DECIMALS: (
        lambda value: _is_table_of(value, _is_decimal), "items with decimal numbers in quotes",
    ),
    Kind.WHOLES: (lambda value: _is_table_of(value, _is_whole), "items with whole numbers"),
    Kind.TABLE: (lambda _: False, "a table"),
    Kind.TABLES: (lambda _: False, "tables"),
    Kind.NAMED: (lambda _: False, "tables by their names"),
}  # fmt: skip
_SIMPLE: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string", "pattern": r"\S"},
    Kind.WHOLE: {"type": "integer", "minimum": 0, "maximum": WHOLE_MAX},
    Kind.FLAG: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.TIME: {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}:[0-9]{2}$"},
    Kind.NUMBERS: {"type": "array", "items": {"type": "integer", "minimum": 0}},
    Kind.DECIMAL: {"type": "string", "pattern": f"^{DECIMAL}$"},
    Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
}


def json_schema(keys: Mapping[str, Key], *, title: str) -> dict[str, Any]:
    """The keys as JSON Schema, for editors; what only the linter knows is not in it."""
    about = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
    return about | _table_schema(keys)


def _table_schema(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, key in keys.items() if key.needed],
        "properties": {name: _key_schema(key) for name, key in keys.items()},
    }


def _key_schema(key: Key) -> dict[str, Any]:
    if key.choices:
        made: dict[str, Any] = {"type": "string", "enum": [*key.choices]}
    elif key.kind is Kind.TABLE:
        made = _table_schema(key.keys)
    elif key.kind is Kind.TABLES:
        made = {"type": "array", "items": _table_schema(key.keys)}
    elif key.kind is Kind.NAMED:
        made = {"type": "object", "additionalProperties": _table_schema(key.keys)}
    elif key.kind in {Kind.DECIMALS, Kind.WHOLES}:
        of = Kind.DECIMAL if key.kind is Kind.DECIMALS else Kind.WHOLE
        made = {"type": "object", "minProperties": 1, "additionalProperties": _SIMPLE[of]}
    else:
        made = dict(_SIMPLE[key.kind])
    return {"description": key.says} | made

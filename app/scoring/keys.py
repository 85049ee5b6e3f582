"""The keys of a scheme file, once: what reads them, and what editors know of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.scoring.rules import Among, Decay, Period, Rule, Subject, Unit
from app.scoring.source_lines import Path

DECIMAL = r"-?[0-9]{1,9}(\.[0-9]{1,6})?"
WHOLE_MAX = 1_000_000_000


class Kind(StrEnum):
    """What a key holds."""

    TEXT = "text"
    WHOLE = "whole"
    FLAG = "flag"
    DATE = "date"
    DECIMAL = "decimal"
    TEXTS = "texts"
    DECIMALS = "decimals"
    WHOLES = "wholes"
    TABLE = "table"
    TABLES = "tables"


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


ILLUSTRATIVE = Key(Kind.TEXTS, "Which keys of this entry no published source gives.", needed=False)
TIER = {
    "code": Key(Kind.TEXT, "The name of the tier."),
    "least_total": Key(Kind.WHOLE, "The least total that reaches it."),
    "illustrative": ILLUSTRATIVE,
}
DIMENSION = {
    "code": Key(Kind.TEXT, "What indicators name it by."),
    "name": Key(Kind.TEXT, "What citizens read."),
    "cap": Key(Kind.WHOLE, "The most that its indicators give together."),
    "illustrative": ILLUSTRATIVE,
}
STEP = {
    "from_day": Key(Kind.WHOLE, "From this day after the event on,"),
    "share": Key(Kind.DECIMAL, "a record is worth this share, from 0 to 1."),
}
INDICATOR = {
    "code": Key(Kind.TEXT, "The code of the indicator."),
    "dimension": Key(Kind.TEXT, "The code of its dimension."),
    "name": Key(Kind.TEXT, "What citizens read."),
    "rule": Key(Kind.TEXT, "How records become points.", choices=tuple(Rule)),
    "unit": Key(Kind.TEXT, "What per_unit counts.", needed=False, choices=tuple(Unit)),
    "value": Key(Kind.DECIMAL, "What one unit is worth; or else items.", needed=False),
    "items": Key(Kind.DECIMALS, "The items that feed it, each with its value.", needed=False),
    "measure": Key(Kind.TEXT, "The number of the record that counts.", needed=False),
    "cap": Key(Kind.WHOLE, "The most it gives; for minus items the most it takes."),
    "period": Key(
        Kind.TEXT, "Each period of event days by itself.", needed=False, choices=tuple(Period)
    ),
    "period_cap": Key(Kind.DECIMAL, "The most that one period gives.", needed=False),
    "validity_days": Key(Kind.WHOLE, "Days from the event; without it for ever.", needed=False),
    "until_record_ends": Key(Kind.FLAG, "Until the record's own end date.", needed=False),
    "decay": Key(
        Kind.TEXT, "How a record loses worth while it is valid.", needed=False,
        choices=tuple(Decay),
    ),
    "steps": Key(Kind.TABLES, "The steps of decay.", needed=False, keys=STEP),
    "record_type": Key(Kind.TEXT, "The record type that feeds it.", needed=False),
    "open_to_all": Key(Kind.FLAG, "Everybody may do this.", needed=False),
    "open_items": Key(Kind.TEXTS, "The items that everybody may do.", needed=False),
    "illustrative": ILLUSTRATIVE,
}  # fmt: skip
GRANT = {
    "indicator": Key(Kind.TEXT, "The indicator whose records grant points."),
    "unit": Key(Kind.TEXT, "What is granted for.", choices=tuple(Unit)),
    "points": Key(Kind.WHOLE, "Points for one full unit; or else items.", needed=False),
    "items": Key(Kind.WHOLES, "Points by item.", needed=False),
    "illustrative": ILLUSTRATIVE,
}
RANK = {
    "code": Key(Kind.TEXT, "The name of the rank."),
    "title": Key(Kind.TEXT, "What those read who reach it."),
    "among": Key(Kind.TEXT, "Whose totals are compared.", choices=tuple(Among)),
    "period": Key(
        Kind.TEXT, "At the end of each of these totals are compared.", choices=tuple(Period)
    ),
    "top_percent": Key(Kind.WHOLE, "Fewer than so many per cent are above.", needed=False),
    "top_count": Key(Kind.WHOLE, "Or: fewer than so many are above.", needed=False),
    "least_total": Key(Kind.WHOLE, "The least total that is ranked so.", needed=False),
    "illustrative": ILLUSTRATIVE,
}
POINTS = {
    "daily_cap_points": Key(Kind.WHOLE, "The most per citizen, indicator and event date."),
    "lot_days": Key(Kind.WHOLE, "A lot expires so many days after the event."),
    "grant": Key(Kind.TABLES, "Which records grant points.", needed=False, keys=GRANT),
    "illustrative": ILLUSTRATIVE,
}
SCHEME = {
    "code": Key(Kind.TEXT, "The scheme."),
    "version": Key(Kind.TEXT, "A published version never changes."),
    "title": Key(Kind.TEXT, "What citizens read."),
    "catalogue": Key(
        Kind.TEXT, "The information catalogue that ships with it, jinhua without.", needed=False
    ),
    "subject": Key(
        Kind.TEXT, "Whose score it is, a citizen's without.", needed=False, choices=tuple(Subject)
    ),
    "shown": Key(
        Kind.TEXT, "Citizens see the end of the last closed period; without it, today.",
        needed=False, choices=tuple(Period),
    ),
    "effective_on": Key(Kind.DATE, "The first day of this version."),
    "total_cap": Key(Kind.WHOLE, "The most of the total."),
    "legal_basis": Key(Kind.TEXT, "What it stands on in law."),
    "tier": Key(Kind.TABLES, "The tiers.", needed=False, keys=TIER),
    "rank": Key(Kind.TABLES, "What is told of places, to each alone.", needed=False, keys=RANK),
    "dimension": Key(Kind.TABLES, "The first-level dimensions.", keys=DIMENSION),
    "indicator": Key(Kind.TABLES, "The second-level indicators.", keys=INDICATOR),
    "points": Key(Kind.TABLE, "How points are granted.", keys=POINTS),
    "illustrative": ILLUSTRATIVE,
}  # fmt: skip


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


def _reason(key: Key, value: object) -> str | None:  # noqa: PLR0911 -- one kind, one line
    match key.kind:
        case Kind.TEXT if key.choices:
            return None if value in key.choices else f"one of {', '.join(key.choices)} expected"
        case Kind.TEXT:
            return None if isinstance(value, str) and value.strip() else "a text expected"
        case Kind.WHOLE:
            return None if _is_whole(value) else "a whole number, not negative, expected"
        case Kind.FLAG:
            return None if isinstance(value, bool) else "true or false expected"
        case Kind.DATE:
            day = isinstance(value, date) and not isinstance(value, datetime)
            return None if day else "a date expected: 2026-01-01, without quotes"
        case Kind.DECIMAL:
            return None if _is_decimal(value) else "a decimal number in quotes expected"
        case Kind.TEXTS:
            return None if _is_list_of(value, str) else "a list of texts expected"
        case Kind.DECIMALS:
            good = isinstance(value, dict) and value and all(map(_is_decimal, value.values()))
            return None if good else "items with decimal numbers in quotes expected"
        case Kind.WHOLES:
            good = isinstance(value, dict) and value and all(map(_is_whole, value.values()))
            return None if good else "items with whole numbers expected"
        case _:
            return f"{'tables' if key.kind is Kind.TABLES else 'a table'} expected"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= WHOLE_MAX


def _is_decimal(value: object) -> bool:
    """Written as text, so that no binary fraction comes near it."""
    return isinstance(value, str) and re.fullmatch(DECIMAL, value) is not None


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


_SIMPLE: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string", "pattern": r"\S"},
    Kind.WHOLE: {"type": "integer", "minimum": 0, "maximum": WHOLE_MAX},
    Kind.FLAG: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.DECIMAL: {"type": "string", "pattern": f"^{DECIMAL}$"},
    Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
}


def json_schema() -> dict[str, Any]:
    """The keys as JSON Schema, for editors; what only the linter knows is not in it."""
    about = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Scheme of a city"}
    return about | _table_schema(SCHEME)


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
    elif key.kind in {Kind.DECIMALS, Kind.WHOLES}:
        of = Kind.DECIMAL if key.kind is Kind.DECIMALS else Kind.WHOLE
        made = {"type": "object", "minProperties": 1, "additionalProperties": _SIMPLE[of]}
    else:
        made = dict(_SIMPLE[key.kind])
    return {"description": key.says} | made

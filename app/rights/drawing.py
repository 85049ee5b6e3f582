"""The page of the data inventory and the schema of a citizen's copy, drawn from its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Column, MetaData
from sqlalchemy.dialects.postgresql import JSONB

from app.rights.data_inventory import About, Keep, KeptTable
from app.rights.gathering import ACTOR_NAME, FORMAT, TRAIL, VERSION, plain_name

_JSON_TYPES: Final[dict[type, dict[str, Any]]] = {
    int: {"type": "integer"}, bool: {"type": "boolean"},
    list: {"type": "array", "items": {"type": "string"}},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}  # fmt: skip

HEAD = (
    "| table | about | why | basis | kept | on leaving | columns |",
    "|---|---|---|---|---|---|---|",
)


def draw_inventory(tables: Mapping[str, KeptTable]) -> str:
    """Every room's tables as Markdown, with what the copy leaves out."""
    rooms = groupby(sorted(tables.values(), key=lambda one: one.room), key=lambda one: one.room)
    return "\n".join(line for room, named in rooms for line in _room(room, list(named)))


def _room(room: str, tables: list[KeptTable]) -> Iterator[str]:
    yield from ("", f"## {room}", "", *HEAD)
    yield from map(_line, tables)
    left_out = [one for one in tables if one.about is About.CITIZEN and one.not_copied]
    if left_out:
        yield ""
        yield from (f"- Not in the copy: `{one.name}`. {one.not_copied}" for one in left_out)


def _line(table: KeptTable) -> str:
    kept = f"{table.days} days" if table.keep is Keep.TIME else f"`{table.keep}`"
    cells = (
        f"`{table.name}`", table.about, table.purpose, f"`{table.basis}`",
        kept if table.job is None else f"{kept}, `{table.job}`",
        "" if table.about is not About.CITIZEN else f"`{table.leaving}`", _columns(table),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _columns(table: KeptTable) -> str:
    named: dict[str, list[str]] = {}
    for column, known in table.columns.items():
        named.setdefault(known, []).append(f"`{column}`")
    if table.key is not None and "sealed" in named:
        named[f"sealed ({table.key})"] = named.pop("sealed")
    return "; ".join(f"{known}: {', '.join(columns)}" for known, columns in named.items())


def draw_schema(tables: Mapping[str, KeptTable], metadata: MetaData) -> dict[str, Any]:
    """The JSON Schema of `copy.json`; the types of columns are those of all rooms' models."""
    copied = {name: _rows_of(table, metadata) for name, table in tables.items() if table.copied}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Everything that an integrity card keeps of one person",
        **_object({
            "format": {"const": FORMAT}, "version": {"const": VERSION},
            "made_at": _JSON_TYPES[datetime], "citizen_id": {"type": "string", "format": "uuid"},
            "tables": _object(copied),
        }),
    }  # fmt: skip


def _rows_of(table: KeptTable, metadata: MetaData) -> dict[str, Any]:
    known = metadata.tables[table.name].c
    columns = {
        plain_name(name): _column(known[name]) for name in table.copied
    }
    if table.name == TRAIL:
        columns[ACTOR_NAME] = {"type": ["string", "null"]}
    return {"description": table.purpose, "type": "array", "items": _object(columns)}


def _column(column: Column[Any]) -> dict[str, Any]:
    if isinstance(column.type, JSONB):
        return {}  # any JSON
    found = _JSON_TYPES.get(column.type.python_type, {"type": "string"})
    return {**found, "type": [found["type"], "null"]} if column.nullable else found


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": members, "required": list(members),
        "additionalProperties": False,
    }  # fmt: skip

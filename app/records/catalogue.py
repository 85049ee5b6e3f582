"""The information catalogue: every record type as data, read from a TOML file and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent / "catalogues"
ROW_NUMBER_COLUMN = "序号"  # may stand in any file and means nothing
REGISTER = "members"
_COLUMN_KEYS = {
    "name", "kind", "optional", "least", "most", "places", "pattern", "mismatch",
}  # fmt: skip
_TYPE_KEYS = {
    "code", "title", "unit", "disclosure", "legal_basis", "update_frequency", "retention_days",
    "positive", "register", "spends", "measures", "item", "items", "unknown_item", "columns",
}  # fmt: skip
_CATALOGUE_KEYS = {
    "code", "version", "forbidden_header_words", "forbidden_content_words", "record_type",
}  # fmt: skip


class CatalogueError(ValueError):
    """The catalogue file does not make sense; the message names the offending key."""


class Kind(StrEnum):
    """How the cells of a column are read."""

    ID = "id"
    DATE = "date"
    NUMBER = "number"
    CODE = "code"
    NAME = "name"
    PHONE = "phone"
    TEXT = "text"
    VERSION = "version"
    STATUS = "status"


class Disclosure(StrEnum):
    """Who may see records of a type."""

    PUBLIC = "public"  # 社会公开
    CONSENT = "consent"  # 授权查询
    GOVERNMENT = "government"  # 政务共享


@dataclass(frozen=True)
class Column:
    """One column of a record type; `least` to `most` in steps of 10^-places for numbers."""

    name: str
    kind: Kind
    optional: bool = False
    least: Decimal | None = None
    most: Decimal | None = None
    places: int | None = None
    pattern: re.Pattern[str] | None = None
    mismatch: str | None = None


@dataclass(frozen=True)
class RecordType:
    """One entry of the catalogue; see the comments of the TOML file."""

    code: str
    title: str
    unit: str
    disclosure: Disclosure
    legal_basis: str
    update_frequency: str
    retention_days: int
    positive: bool
    columns: tuple[Column, ...]
    register: bool
    spends: str | None
    measures: Mapping[str, str]
    item: tuple[str, ...]
    items: frozenset[str]
    unknown_item: str | None

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    def _of_kind(self, kind: Kind) -> str | None:
        return next((column.name for column in self.columns if column.kind is kind), None)

    @cached_property
    def number_column(self) -> str | None:
        """The column that names the record: the first one; the register has none."""
        return None if self.register else self.columns[0].name

    @cached_property
    def date_column(self) -> str:
        """The column of the event date."""
        return self._of_kind(Kind.DATE) or ""

    @cached_property
    def id_column(self) -> str:
        """The column of the person."""
        return self._of_kind(Kind.ID) or ""

    @cached_property
    def name_column(self) -> str | None:
        """The column of the person's name, where a type has one."""
        return self._of_kind(Kind.NAME)

    @cached_property
    def version_column(self) -> str | None:
        """The column of the version; a type without it knows version 1 only."""
        return self._of_kind(Kind.VERSION)

    @cached_property
    def status_column(self) -> str | None:
        """The column that says whether the record is valid or void."""
        return self._of_kind(Kind.STATUS)

    @cached_property
    def void_columns(self) -> frozenset[str]:
        """What must be filled in the row of a void."""
        found = (self.number_column, self.version_column, self.status_column, self.id_column)
        return frozenset(name for name in found if name)

    @cached_property
    def details_columns(self) -> tuple[str, ...]:
        """What is kept sealed: everything that no other column of the table holds already."""
        held = {self.number_column, self.version_column, self.status_column, self.id_column}
        held |= {self.name_column, self.date_column, *self.measures.values(), *self.item}
        return tuple(column.name for column in self.columns if column.name not in held)


@dataclass(frozen=True)
class Catalogue:
    """All record types of a programme, and the words that may never be delivered."""

    code: str
    version: str
    forbidden_header_words: tuple[str, ...]
    forbidden_content_words: tuple[str, ...]
    record_types: Mapping[str, RecordType]


@cache
def load_catalogue(code: str = "jinhua") -> Catalogue:
    """The catalogue that ships under this code; CatalogueError names what is wrong with it."""
    text = (DIRECTORY / f"{code}.toml").read_text(encoding="utf-8")
    return parse_catalogue(text)


def parse_catalogue(text: str) -> Catalogue:
    """Read a catalogue from TOML; CatalogueError names what is wrong with it."""
    document = tomllib.loads(text)
    _only(document, _CATALOGUE_KEYS, "catalogue")
    types = [_record_type(entry) for entry in document["record_type"]]
    if len({kind.code for kind in types}) != len(types):
        raise CatalogueError("record_type.code: two types share a code")
    return Catalogue(
        code=document["code"],
        version=document["version"],
        forbidden_header_words=tuple(document["forbidden_header_words"]),
        forbidden_content_words=tuple(document["forbidden_content_words"]),
        record_types={kind.code: kind for kind in types},
    )


def _only(entry: Mapping[str, Any], allowed: set[str], place: str) -> None:
    unknown = sorted(set(entry) - allowed)
    if unknown:
        raise CatalogueError(f"{place}.{unknown[0]}: unknown key")


def _record_type(entry: Mapping[str, Any]) -> RecordType:
    place = f"record_type {entry.get('code', '?')}"
    _only(entry, _TYPE_KEYS, place)
    if not entry.get("legal_basis"):
        raise CatalogueError(f"{place}.legal_basis: missing")
    if entry.get("positive") is not True:
        # A minus item needs a law, an evidence reference and an end date; no scheme here has one.
        raise CatalogueError(f"{place}.positive: only positive record types may be delivered")
    columns = tuple(_column(column, place) for column in entry["columns"])
    made = RecordType(
        code=entry["code"],
        title=entry["title"],
        unit=entry["unit"],
        disclosure=Disclosure(entry["disclosure"]),
        legal_basis=entry["legal_basis"],
        update_frequency=entry["update_frequency"],
        retention_days=int(entry["retention_days"]),
        positive=True,
        columns=columns,
        register=entry.get("register", False),
        spends=entry.get("spends"),
        measures=entry.get("measures", {}),
        item=tuple(entry.get("item", ())),
        items=frozenset(entry.get("items", ())),
        unknown_item=entry.get("unknown_item"),
    )
    _check(made, place)
    return made


def _column(entry: Mapping[str, Any], place: str) -> Column:
    place = f"{place}, column {entry.get('name', '?')}"
    _only(entry, _COLUMN_KEYS, place)
    kind = Kind(entry["kind"])
    if kind is Kind.NUMBER and not {"least", "most", "places"} <= set(entry):
        raise CatalogueError(f"{place}.least: a number needs least, most and places")
    if ("pattern" in entry) != ("mismatch" in entry):
        raise CatalogueError(f"{place}.mismatch: pattern and mismatch belong together")
    return Column(
        name=entry["name"],
        kind=kind,
        optional=entry.get("optional", False),
        least=Decimal(entry["least"]) if "least" in entry else None,
        most=Decimal(entry["most"]) if "most" in entry else None,
        places=entry.get("places"),
        pattern=re.compile(entry["pattern"]) if "pattern" in entry else None,
        mismatch=entry.get("mismatch"),
    )


def _check(made: RecordType, place: str) -> None:
    names = [column.name for column in made.columns]
    if len(set(names)) != len(names):
        raise CatalogueError(f"{place}.columns: a name stands twice")
    for kind in (Kind.ID, Kind.DATE):
        if [column.kind for column in made.columns].count(kind) != 1:
            raise CatalogueError(f"{place}.columns: exactly one column of kind {kind} is needed")
    for key, used in (("measures", made.measures.values()), ("item", made.item)):
        missing = [name for name in used if name not in names]
        if missing:
            raise CatalogueError(f"{place}.{key}: there is no column {missing[0]}")
    if bool(made.item) != bool(made.items) or bool(made.item) != bool(made.unknown_item):
        raise CatalogueError(f"{place}.items: item, items and unknown_item belong together")
    if (made.version_column is None) != (made.status_column is None):
        raise CatalogueError(f"{place}.columns: version and status belong together")

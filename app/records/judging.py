"""How one row is judged: the steps of the data interface in their order, pure functions.

Three parts, because of what must be looked up in between: who the row is about (steps 1-7), what it
says (9-22, for members), and what it is to the record that is held (23-28).  The first step that
applies decides; a refused row has exactly one reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from uuid import UUID

from app.members.id_numbers import birth_date, has_right_check_character, is_adult
from app.members.spelling import canonical_name, compact
from app.records import cells as reading
from app.records.catalogue import Catalogue, Column, Kind, RecordType
from app.records.reading import Layout

VALID, VOID = "有效", "作废"
RECORD_NUMBER_MAX_CHARS = 200  # what an index can hold; no source comes near it
_TOTALS = {"合计", "总计", "小计"}


class Outcome(StrEnum):
    """How a row ends that is not refused."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    VOIDED = "voided"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"


class Reason(StrEnum):
    """Why a row is refused."""

    TOTAL_ROW = "total_row"
    COLUMN_COUNT = "column_count"
    FORMULA_CELL = "formula_cell"
    MISSING_FIELD = "missing_field"
    BAD_ID_FORMAT = "bad_id_format"
    BAD_ID_CHECK_DIGIT = "bad_id_check_digit"
    BAD_ID_BIRTH_DATE = "bad_id_birth_date"
    FORBIDDEN_CONTENT = "forbidden_content"
    BAD_VERSION = "bad_version"
    BAD_STATUS = "bad_status"
    NAME_MISMATCH = "name_mismatch"
    BAD_PHONE = "bad_phone"
    BAD_DATE = "bad_date"
    FUTURE_DATE = "future_date"
    UNDERAGE = "underage"
    BAD_NUMBER = "bad_number"
    UNKNOWN_HONOUR_LEVEL = "unknown_honour_level"
    UNKNOWN_DEED = "unknown_deed"
    UNKNOWN_CIVILITY_ITEM = "unknown_civility_item"
    BAD_CERTIFICATE = "bad_certificate"
    OUT_OF_RANGE = "out_of_range"
    CITIZEN_CHANGED = "citizen_changed"
    VERSION_CONFLICT = "version_conflict"
    INSUFFICIENT_POINTS = "insufficient_points"
    MEMBER_EXISTS = "member_exists"


@dataclass
class Row:
    """A row on its way through the steps; the steps fill in what they have read."""

    cells: list[str]
    layout: Layout
    delivered_on: date
    id_number: str = ""
    person_name: str = ""  # as in the register; empty while unknown
    version: int = 1
    is_void: bool = False
    event_on: date | None = None
    values: dict[str, str] = field(default_factory=dict)

    def cell(self, name: str) -> str:
        """The raw cell under a column."""
        return self.cells[self.layout.positions[name]]

    @property
    def kind(self) -> RecordType:
        """The record type."""
        return self.layout.record_type

    def other_cells(self) -> list[str]:
        """All cells but the ID number, the meaningless ones too."""
        at = self.layout.positions[self.kind.id_column]
        return self.cells[:at] + self.cells[at + 1 :]

    def columns(self, *kinds: Kind) -> list[Column]:
        """The columns of some kinds."""
        return [column for column in self.kind.columns if column.kind in kinds]


@dataclass(frozen=True)
class Statement:
    """What a good row says."""

    id_number: str
    record_number: str
    version: int
    is_void: bool
    event_on: date | None  # None: a void says nothing about the event
    item: str | None
    measures: Mapping[str, str]
    details: Mapping[str, str]
    name: str
    phone: str
    content: bytes  # equal for two rows with the same content


@dataclass
class HeldRecord:
    """The versions of one record that were taken before, each with the digest of its content."""

    citizen_id: UUID
    digests: dict[int, bytes] = field(default_factory=dict)


Step = Callable[[Row], Reason | None]


def is_blank(cells: list[str]) -> bool:
    """All cells are empty: not a row."""
    return all(map(reading.is_empty, cells))


# Who the row is about: steps 1-7.


def _total_row(row: Row) -> Reason | None:
    first = next(cell for cell in row.cells if not reading.is_empty(cell))
    return Reason.TOTAL_ROW if compact(first) in _TOTALS else None


def _column_count(row: Row) -> Reason | None:
    width = row.layout.width
    if any(not reading.is_empty(cell) for cell in row.cells[width:]):
        return Reason.COLUMN_COUNT
    if len(row.cells) < width:
        if not row.layout.pads_rows:
            return Reason.COLUMN_COUNT
        row.cells = row.cells + [""] * (width - len(row.cells))
    return None


def _id_formula(row: Row) -> Reason | None:
    formula = reading.is_formula(row.cell(row.kind.id_column))
    return Reason.FORMULA_CELL if formula else None


def _id_missing(row: Row) -> Reason | None:
    empty = reading.is_empty(row.cell(row.kind.id_column))
    return Reason.MISSING_FIELD if empty else None


def _id_format(row: Row) -> Reason | None:
    found = reading.read_id_number(row.cell(row.kind.id_column))
    row.id_number = found or ""
    return None if found else Reason.BAD_ID_FORMAT


def _id_check_digit(row: Row) -> Reason | None:
    return None if has_right_check_character(row.id_number) else Reason.BAD_ID_CHECK_DIGIT


def _id_birth_date(row: Row) -> Reason | None:
    return None if birth_date(row.id_number) else Reason.BAD_ID_BIRTH_DATE


# What the row says: steps 9-22.


def _formula(row: Row) -> Reason | None:
    return Reason.FORMULA_CELL if any(map(reading.is_formula, row.other_cells())) else None


@cache
def forbidden_content(words: tuple[str, ...]) -> Step:
    """The step that finds words which may never be delivered."""
    pattern = re.compile("|".join(re.escape(word) for word in words))

    def step(row: Row) -> Reason | None:
        # NUL keeps the cells apart: no cell contains it and no rule joins across it.
        text = compact("\0".join(row.other_cells())).upper()
        return Reason.FORBIDDEN_CONTENT if pattern.search(text) else None

    return step


def _missing_field(row: Row) -> Reason | None:
    kind = row.kind
    if kind.status_column:
        row.is_void = compact(row.cell(kind.status_column)) == VOID
    needed = (
        kind.void_columns
        if row.is_void
        else [column.name for column in kind.columns if not column.optional]
    )
    missing = any(reading.is_empty(row.cell(name)) for name in needed)
    return Reason.MISSING_FIELD if missing else None


def _version(row: Row) -> Reason | None:
    if row.kind.version_column is None:
        return None
    found = reading.read_version(compact(row.cell(row.kind.version_column)))
    row.version = found or 0
    return None if found else Reason.BAD_VERSION


def _status(row: Row) -> Reason | None:
    if row.kind.status_column is None:
        return None
    known = compact(row.cell(row.kind.status_column)) in {VALID, VOID}
    return None if known else Reason.BAD_STATUS


def _name_mismatch(row: Row) -> Reason | None:
    if row.kind.name_column is None:
        return None
    name = canonical_name(row.cell(row.kind.name_column))
    row.values[row.kind.name_column] = name
    differs = not row.kind.register and name != row.person_name
    return Reason.NAME_MISMATCH if differs else None


def _phone(row: Row) -> Reason | None:
    for column in row.columns(Kind.PHONE):
        phone = reading.read_phone(row.cell(column.name))
        if phone is None:
            return Reason.BAD_PHONE
        row.values[column.name] = phone
    return None


def _date(row: Row) -> Reason | None:
    row.event_on = reading.read_date(row.cell(row.kind.date_column))
    if row.event_on is None:
        return Reason.BAD_DATE
    row.values[row.kind.date_column] = row.event_on.isoformat()
    return None


def _future(row: Row) -> Reason | None:
    late = row.event_on is not None and row.event_on > row.delivered_on
    return Reason.FUTURE_DATE if late else None


def _underage(row: Row) -> Reason | None:
    born_on = birth_date(row.id_number)
    if born_on is None or row.event_on is None:
        return None
    return None if is_adult(born_on=born_on, on=row.event_on) else Reason.UNDERAGE


def _numbers(row: Row) -> Reason | None:
    for column in row.columns(Kind.NUMBER):
        number = reading.read_number(row.cell(column.name))
        if number is None:
            return Reason.BAD_NUMBER
        row.values[column.name] = number
    return None


def _codes(row: Row) -> Reason | None:
    """The item must be one of the scheme's; reads the texts on the way."""
    for column in row.columns(Kind.CODE):
        row.values[column.name] = compact(row.cell(column.name))
    for column in row.columns(Kind.TEXT):
        row.values[column.name] = reading.read_text(row.cell(column.name))
    item = _item(row)
    if row.kind.unknown_item and item not in row.kind.items:
        return Reason(row.kind.unknown_item)
    return None


def _patterns(row: Row) -> Reason | None:
    for column in row.kind.columns:
        if column.pattern is None or column.mismatch is None:
            continue
        if not column.pattern.fullmatch(row.values[column.name]):
            return Reason(column.mismatch)
    return None


def _ranges(row: Row) -> Reason | None:
    for column in row.columns(Kind.NUMBER):
        if not _within(row.values[column.name], column):
            return Reason.OUT_OF_RANGE
    return None


def _within(number: str, column: Column) -> bool:
    assert column.least is not None
    assert column.most is not None
    assert column.places is not None
    return (
        reading.decimal_places(number) <= column.places
        and column.least <= Decimal(number) <= column.most
    )


def _number_length(row: Row) -> Reason | None:
    long = len(_record_number(row)) > RECORD_NUMBER_MAX_CHARS
    return Reason.OUT_OF_RANGE if long else None


FIND_PERSON: tuple[Step, ...] = (
    _total_row,  # 1
    _column_count,  # 2
    _id_formula,  # 3
    _id_missing,  # 4
    _id_format,  # 5
    _id_check_digit,  # 6
    _id_birth_date,  # 7
)  # 8 is whether the person is a member on the delivery date
BEFORE_STATUS: tuple[Step, ...] = (
    _missing_field,  # 11, after 9 and 10
    _version,  # 12
    _status,  # 13
)
NOT_FOR_VOIDS: tuple[Step, ...] = (
    _name_mismatch,  # 14
    _phone,  # 15
    _date,  # 16
    _future,  # 17
    _underage,  # 18
    _numbers,  # 19
    _codes,  # 20
    _patterns,  # 21
    _ranges,  # 22
)


def _first(row: Row, steps: tuple[Step, ...]) -> Reason | None:
    for step in steps:
        reason = step(row)
        if reason is not None:
            return reason
    return None


def find_person(row: Row) -> Reason | None:
    """Steps 1-7: afterwards `row.id_number` says who the row is about, or it is refused."""
    return _first(row, FIND_PERSON)


def read_statement(row: Row, *, catalogue: Catalogue) -> Statement | Reason:
    """Steps 9-22 for the row of a member (or any row of the register)."""
    content = forbidden_content(catalogue.forbidden_content_words)
    reason = _first(row, (_formula, content, *BEFORE_STATUS))
    if reason is None and not row.is_void:
        reason = _first(row, NOT_FOR_VOIDS)
    return reason or _number_length(row) or _statement(row)


def judge_version(
    statement: Statement,
    *,
    citizen_id: UUID,
    held: HeldRecord | None,
    same_content: Callable[[bytes], bool],
) -> Outcome | Reason:
    """Steps 23-26 and 28: what the row is to the record that is held under its number.

    `same_content` tells whether a digest is that of the row's content.
    """
    if held is None:
        return Outcome.VOIDED if statement.is_void else Outcome.ACCEPTED
    if held.citizen_id != citizen_id:
        return Reason.CITIZEN_CHANGED
    known = held.digests.get(statement.version)
    if known is not None:
        return Outcome.DUPLICATE if same_content(known) else Reason.VERSION_CONFLICT
    if statement.version < max(held.digests):
        return Outcome.SUPERSEDED
    return Outcome.VOIDED if statement.is_void else Outcome.CORRECTED


def _record_number(row: Row) -> str:
    column = row.kind.number_column
    return compact(row.cell(column)) if column else ""


def _item(row: Row) -> str | None:
    if not row.kind.item:
        return None
    return "/".join(row.values[name] for name in row.kind.item if row.values[name])


def _statement(row: Row) -> Statement:
    kind = row.kind
    values = {} if row.is_void else row.values
    content = {name: value for name, value in values.items() if name != kind.number_column}
    content[kind.id_column] = row.id_number
    if kind.status_column:
        content[kind.status_column] = VOID if row.is_void else VALID
    return Statement(
        id_number=row.id_number,
        record_number=_record_number(row),
        version=row.version,
        is_void=row.is_void,
        event_on=None if row.is_void else row.event_on,
        item=None if row.is_void else _item(row),
        measures={key: values[name] for key, name in kind.measures.items()} if values else {},
        details={name: values[name] for name in kind.details_columns} if values else {},
        name=values.get(kind.name_column or "", ""),
        phone=next((values[column.name] for column in row.columns(Kind.PHONE) if values), ""),
        content=json.dumps(content, ensure_ascii=False, sort_keys=True).encode(),
    )

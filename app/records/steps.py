"""The steps of the data interface, in their order: what is wrong with a row, if anything.

Each step looks at a row and gives the reason to refuse it, or None; some leave what they have read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache

from app.members.id_numbers import (
    birth_date,
    has_id_number_shape_within,
    has_right_check_character,
    id_numbers_within,
    is_adult,
)
from app.members.spelling import canonical_name, compact
from app.records import cells as reading
from app.records.catalogue import Column, Kind, RecordType
from app.records.reading import Layout

VALID, VOID = "有效", "作废"
RECORD_NUMBER_MAX_CHARS = 200  # what an index can hold; no source comes near it
ITEM_JOINT = "/"
_TOTALS = {"合计", "总计", "小计"}


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
    UNKNOWN_ITEM = "unknown_item"
    BAD_CERTIFICATE = "bad_certificate"
    BAD_CODE = "bad_code"
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
    last_on: date | None = None  # the last day on which it counts, if it says one
    values: dict[str, str] = field(default_factory=dict)
    is_plain: bool = False  # no cell is empty or a formula

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

    def columns(self, kind: Kind) -> tuple[Column, ...]:
        """The columns of a kind."""
        return self.kind.by_kind[kind]


Step = Callable[[Row], Reason | None]


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


def formula(row: Row) -> Reason | None:
    """Step 9."""
    row.is_plain = reading.is_plain(row.cells)
    if row.is_plain:
        return None
    return Reason.FORMULA_CELL if any(map(reading.is_formula, row.other_cells())) else None


@cache
def forbidden_content(words: tuple[str, ...]) -> Step:
    """The step that finds what may never be delivered: words, and other people's ID numbers."""
    pattern = re.compile("|".join(re.escape(word) for word in words))

    def step(row: Row) -> Reason | None:
        # NUL keeps the cells apart: no cell contains it and no rule joins across it.
        text = compact("\0".join(row.other_cells())).upper()
        if pattern.search(text):
            return Reason.FORBIDDEN_CONTENT
        if has_id_number_shape_within(text) and _names_others(row):
            return Reason.FORBIDDEN_CONTENT
        return None

    return step


def _names_others(row: Row) -> bool:
    """Whether a text says the ID number of somebody else; codes may look like one by chance."""
    return any(
        id_numbers_within(compact(row.cell(column.name)).upper()) - {row.id_number}
        for column in row.columns(Kind.TEXT)
    )


def _missing_field(row: Row) -> Reason | None:
    kind = row.kind
    if kind.status_column:
        row.is_void = compact(row.cell(kind.status_column)) == VOID
    if row.is_plain:
        return None
    needed = kind.void_columns if row.is_void else kind.needed_columns
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


def _last_day(row: Row) -> Reason | None:
    """Part of step 16, and of 22: the record's own end is a date, not before the event."""
    for column in row.columns(Kind.LAST_DAY):
        cell = row.cell(column.name)
        if reading.is_empty(cell):
            continue
        row.last_on = reading.read_date(cell)
        if row.last_on is None:
            return Reason.BAD_DATE
        row.values[column.name] = row.last_on.isoformat()
        if row.event_on is not None and row.last_on < row.event_on:
            return Reason.OUT_OF_RANGE
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
    item = record_item(row)
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


def number_length(row: Row) -> Reason | None:
    """Not one of the numbered steps: a record number that no index can hold is out of range."""
    long = len(record_number(row)) > RECORD_NUMBER_MAX_CHARS
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
    _last_day,
    _future,  # 17
    _underage,  # 18
    _numbers,  # 19
    _codes,  # 20
    _patterns,  # 21
    _ranges,  # 22
)


def record_number(row: Row) -> str:
    """The number that names the record, compacted."""
    column = row.kind.number_column
    return compact(row.cell(column)) if column else ""


def record_item(row: Row) -> str | None:
    """Which item of the scheme the record is; None where a type has no items."""
    if not row.kind.item:
        return None
    parts = [row.values[name] for name in row.kind.item if row.values[name]]
    # A cell with the sign that joins two would pass for a pair that was not delivered.
    return None if any(ITEM_JOINT in part for part in parts) else ITEM_JOINT.join(parts)

"""How one row is judged: the steps of the data interface in their order, pure functions.

Three parts, because of what must be looked up in between: who the row is about (steps 1-7), what it
says (9-22, for members), and what it is to the record that is held (23-28).  The first step that
applies decides; a refused row has exactly one reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from app.records import cells as reading
from app.records.catalogue import Catalogue, Kind
from app.records.steps import (
    BEFORE_STATUS,
    FIND_PERSON,
    NOT_FOR_VOIDS,
    VALID,
    VOID,
    Reason,
    Row,
    Step,
    forbidden_content,
    formula,
    number_length,
    record_item,
    record_number,
)

# Digests of contents are kept: every byte of this form counts.
_CONTENT = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


class Outcome(StrEnum):
    """How a row ends that is not refused."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    VOIDED = "voided"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"


class Statement(NamedTuple):
    """What a good row says; a void says nothing about the event."""

    id_number: str
    record_number: str
    version: int
    is_void: bool
    content: bytes  # equal for two rows with the same content
    event_on: date | None = None
    ends_on: date | None = None  # the first day on which it counts no more, if it says one
    item: str | None = None
    measures: Mapping[str, str] = MappingProxyType({})
    details: Mapping[str, str] = MappingProxyType({})
    name: str = ""
    phone: str = ""


@dataclass
class HeldRecord:
    """The versions of one record that were taken before, each with the digest of its content."""

    citizen_id: UUID
    digests: dict[int, bytes] = field(default_factory=dict)


def is_blank(cells: list[str]) -> bool:
    """All cells are empty: not a row."""
    return all(map(reading.is_empty, cells))


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
    reason = _first(row, (formula, content, *BEFORE_STATUS))
    if reason is None and not row.is_void:
        reason = _first(row, NOT_FOR_VOIDS)
    return reason or number_length(row) or _statement(row)


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
    if not held.digests:  # its retention is over
        return Outcome.SUPERSEDED
    known = held.digests.get(statement.version)
    if known is not None:
        return Outcome.DUPLICATE if same_content(known) else Reason.VERSION_CONFLICT
    if statement.version < max(held.digests):
        return Outcome.SUPERSEDED
    return Outcome.VOIDED if statement.is_void else Outcome.CORRECTED


def _statement(row: Row) -> Statement:
    kind = row.kind
    if row.is_void:
        return Statement(
            row.id_number, record_number(row), row.version, is_void=True, content=_content(row, {})
        )
    values = row.values
    return Statement(
        row.id_number,
        record_number(row),
        row.version,
        is_void=False,
        content=_content(row, values),
        event_on=row.event_on,
        ends_on=_day_after(row.last_on),
        item=record_item(row),
        measures={key: values[name] for key, name in kind.measures.items()},
        details={name: values[name] for name in kind.details_columns},
        name=values.get(kind.name_column or "", ""),
        phone=next((values[column.name] for column in row.columns(Kind.PHONE)), ""),
    )


def _day_after(day: date | None) -> date | None:
    # 9999-12-31 is how files write "for ever".
    return None if day is None or day == date.max else day + timedelta(days=1)


def _content(row: Row, values: Mapping[str, str]) -> bytes:
    """Every value that says something, in one form."""
    kind = row.kind
    content = {**values, kind.id_column: row.id_number}
    content.pop(kind.number_column or "", None)
    if kind.status_column:
        content[kind.status_column] = VOID if row.is_void else VALID
    return _CONTENT.encode(content).encode()

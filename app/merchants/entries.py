"""Honours, licences and penalties of merchants: entered by two operators, shown for their time.

A penalty says its document, authority and legal basis; it is gone by itself after its last day, and
at once when it was repaired or was a mistake.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading, transaction
from app.kernel.errors import IdReused
from app.members.id_numbers import is_id_number
from app.merchants import refusals
from app.merchants.models import Entry, EntryConfirmation, EntryEnding, Merchant
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

# Months that an entry may be shown after the date of its document; others last at most 50 years.
SHOWN_MONTHS: Final = {"minor": 3, "general": 12, "serious": 36}
OTHERS_MONTHS: Final = 600
_LAST_DAY: Final = text("SELECT (CAST(:day AS date) + make_interval(months => :months))::date")
_EIGHTEEN: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")


@dataclass(frozen=True)
class NewEntry:
    """What an operator proposes to show; a grade is for penalties."""

    merchant_id: UUID
    kind: str
    grade: str | None
    title: str
    document_number: str
    authority: str
    legal_basis: str
    issued_on: date
    published_from: date
    published_to: date


@dataclass(frozen=True)
class KeptEntry:
    """An entry; `state` is proposed, confirmed, repaired or mistaken."""

    entry_id: UUID
    state: str
    facts: NewEntry


def propose_entry(
    *, operator_id: UUID, entry_id: UUID, entry: NewEntry, reason: str
) -> KeptEntry:
    """Propose an entry under an id that the caller made; the same again changes nothing.

    Refuses `merchant_unknown`, `entry_unfit`, `publication_too_long`, `entry_names_person`,
    `id_reused`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        if session.get(Merchant, entry.merchant_id) is None:
            raise refusals.MerchantUnknown
        _require_fit(session, entry)
        added = session.scalar(
            insert(Entry)
            .values(entry_id=entry_id, proposed_by=operator_id, reason=given, **vars(entry))
            .on_conflict_do_nothing()
            .returning(Entry.entry_id)
        )
        found = _find(session, entry_id)
        if found.facts != entry:
            raise IdReused
        if added is not None:
            _act(operator_id, "merchant_entry_proposed", entry_id, given)
        return found


def confirm_entry(*, operator_id: UUID, entry_id: UUID, reason: str) -> KeptEntry:
    """Another operator's yes; the same again changes nothing.

    Refuses `entry_unknown`, `second_person_needed`, `entry_ended`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        found = _find(session, entry_id)
        if session.get_one(Entry, entry_id).proposed_by == operator_id:
            raise SecondPersonNeeded
        if found.state in {"repaired", "mistaken"}:
            raise refusals.EntryEnded
        confirmed = session.scalar(
            insert(EntryConfirmation)
            .values(entry_id=entry_id, confirmed_by=operator_id)
            .on_conflict_do_nothing()
            .returning(EntryConfirmation.entry_id)
        )
        if confirmed is not None:
            _act(operator_id, "merchant_entry_confirmed", entry_id, given)
        return _find(session, entry_id)


def end_entry(*, operator_id: UUID, entry_id: UUID, cause: str, reason: str) -> KeptEntry:
    """Stop showing an entry, at once and for good; `cause` is repaired or mistaken.

    Refuses `entry_unknown`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        _find(session, entry_id)
        ended = session.scalar(
            insert(EntryEnding)
            .values(entry_id=entry_id, cause=cause, reason=given, ended_by=operator_id)
            .on_conflict_do_nothing()
            .returning(EntryEnding.entry_id)
        )
        if ended is not None:
            _act(operator_id, f"merchant_entry_{cause}", entry_id, given)
        return _find(session, entry_id)


def list_entries(*, merchant_id: UUID, limit: int) -> list[KeptEntry]:
    """Every entry of a merchant, the latest first: for operators."""
    query = _entries().where(Entry.merchant_id == merchant_id)
    with reading() as session:
        rows = session.execute(query.order_by(Entry.entry_id.desc()).limit(limit))
        return [_kept(*row) for row in rows]


def published_entries(*, merchant_id: UUID) -> list[NewEntry]:
    """What is shown today: confirmed, within its time, and not ended; the latest first."""
    query = _entries().where(
        Entry.merchant_id == merchant_id,
        EntryConfirmation.entry_id.is_not(None),
        EntryEnding.entry_id.is_(None),
        CITY_TODAY.between(Entry.published_from, Entry.published_to),
    )
    with reading() as session:
        rows = session.execute(query.order_by(Entry.issued_on.desc(), Entry.entry_id))
        return [_kept(*row).facts for row in rows]


def _require_fit(session: Session, entry: NewEntry) -> None:
    if (entry.kind == "penalty") != (entry.grade is not None) or not (
        entry.issued_on <= entry.published_from <= entry.published_to
    ):
        raise refusals.EntryUnfit
    months = OTHERS_MONTHS if entry.grade is None else SHOWN_MONTHS[entry.grade]
    last: date = session.execute(
        _LAST_DAY, {"day": entry.issued_on, "months": months}
    ).scalar_one()
    if entry.published_to > last:
        raise refusals.PublicationTooLong(at_most_to=last.isoformat())
    said = f"{entry.title} {entry.document_number} {entry.authority} {entry.legal_basis}"
    numbers = _EIGHTEEN.findall(unicodedata.normalize("NFKC", said))
    if any(is_id_number(one.upper()) for one in numbers):
        raise refusals.EntryNamesPerson


def _find(session: Session, entry_id: UUID) -> KeptEntry:
    row = session.execute(_entries().where(Entry.entry_id == entry_id)).one_or_none()
    if row is None:
        raise refusals.EntryUnknown
    return _kept(*row)


def _act(operator_id: UUID, action: str, entry_id: UUID, reason: str) -> None:
    record_act(
        actor=Actor("operator", operator_id), action=action, subject=str(entry_id), reason=reason
    )


def _entries() -> Select[Any, Any, Any]:
    return (
        select(Entry, EntryConfirmation.entry_id, EntryEnding.cause)
        .outerjoin(EntryConfirmation, EntryConfirmation.entry_id == Entry.entry_id)
        .outerjoin(EntryEnding, EntryEnding.entry_id == Entry.entry_id)
    )


def _kept(row: Entry, confirmed: UUID | None, cause: str | None) -> KeptEntry:
    undisturbed = "proposed" if confirmed is None else "confirmed"
    facts = NewEntry(
        row.merchant_id, row.kind, row.grade, row.title, row.document_number, row.authority,
        row.legal_basis, row.issued_on, row.published_from, row.published_to,
    )
    return KeptEntry(row.entry_id, cause or undisturbed, facts)

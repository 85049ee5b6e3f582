"""A citizen objects, follows the objection, and asks for a second look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.disputes import operations as disputes
from app.disputes.queries import Item, find_disputed
from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.errors import IdReused
from app.kernel.keys import Key, KeyProvider
from app.objections import refusals
from app.objections.clocks import Clocks
from app.objections.items import ABOUT_RECORDS, REJECTED, FoundItem, Statement, Subject, find_item
from app.objections.models import Objection, ObjectionDecision
from app.objections.queries import DECIDED, WholeObjection, read_whole
from app.objections.sealing import data_key, open_text, seal_text

OPEN_MAX: Final = 20  # of one citizen
# Of one citizen one objection at a time is filed: what is counted and marked stays so.
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('objections:' || :citizen, 0))")


def file_objection(
    *, keys: KeyProvider, clocks: Clocks, citizen_id: UUID, objection_id: UUID,
    statement: Statement, beside: Callable[[], None] | None = None,
) -> WholeObjection:
    """File an objection; what it is about is marked as disputed from the commit on.

    `beside` stands in the transaction of the filing, for who files in somebody's name.
    The same id again gives the objection that there is, for another one IdReused.

    Refuses `objection_item_unknown`, `objection_pending`, `objections_too_many`.
    """
    key = data_key(keys, citizen_id)
    with transaction() as session:
        session.execute(_LOCK, {"citizen": str(citizen_id)})
        if beside is not None:
            beside()
        held = session.get(Objection, (citizen_id, objection_id))
        if held is None:
            found = find_item(keys=keys, citizen_id=citizen_id, subject=statement.subject)
            _require_room(session, citizen_id, found.item)
            held = _new(
                key, clocks, objection_id, city_today(session), statement=statement, found=found
            )
            held.citizen_id = citizen_id
            session.add(held)
            session.flush()
            disputes.mark(citizen_id=citizen_id, objection_id=objection_id, item=found.item)
        elif _said(key, held) != statement:
            raise IdReused
        return read_whole(session, key, held)


def show_own(*, keys: KeyProvider, citizen_id: UUID, objection_id: UUID) -> WholeObjection:
    """An objection of the citizen with everything in it.  ObjectionUnknown."""
    with reading() as session:
        row = session.get(Objection, (citizen_id, objection_id))
        if row is None:
            raise refusals.ObjectionUnknown
        return read_whole(session, data_key(keys, citizen_id), row)


def ask_second_look(
    *, keys: KeyProvider, clocks: Clocks, citizen_id: UUID, objection_id: UUID,
    beside: Callable[[], None] | None = None,
) -> WholeObjection:
    """Have a rejected objection decided again by others; asking again changes nothing.

    `beside` is as in `file_objection`.

    Refuses `objection_unknown`, `second_look_unneeded`, `second_look_late`.
    """
    with transaction() as session:
        row = session.get(Objection, (citizen_id, objection_id), with_for_update=True)
        if row is None:
            raise refusals.ObjectionUnknown
        if beside is not None:
            beside()
        if row.round == 1:
            _begin_second_look(session, clocks, row)
        return read_whole(session, data_key(keys, citizen_id), row)


def _begin_second_look(session: Session, clocks: Clocks, row: Objection) -> None:
    first = session.get(ObjectionDecision, (row.citizen_id, row.objection_id, 1))
    if first is None or first.outcome != REJECTED:
        raise refusals.SecondLookUnneeded
    today = city_today(session)
    assert row.second_look_until is not None
    if today > row.second_look_until:
        raise refusals.SecondLookLate(ended_on=row.second_look_until.isoformat())
    row.state, row.round = "open", 2
    row.decide_due_on = clocks.decide_due_on(today)
    session.flush()
    disputes.mark(
        citizen_id=row.citizen_id, objection_id=row.objection_id, item=item_of(row)
    )


def item_of(row: Objection) -> Item:
    """What the objection is about, as it is marked."""
    if row.kind in ABOUT_RECORDS:
        return Item.of_record(str(row.record_type), str(row.record_number))
    return Item(row.kind, str(row.item_id))


def _require_room(session: Session, citizen_id: UUID, item: Item) -> None:
    if (citizen_id, item) in find_disputed(kind=item.kind, citizen_ids=[citizen_id]):
        raise refusals.ObjectionPending
    count = session.scalar(
        select(func.count()).select_from(Objection).where(
            Objection.citizen_id == citizen_id, Objection.state != DECIDED
        )
    )
    if (count or 0) >= OPEN_MAX:
        raise refusals.ObjectionsTooMany(open_max=OPEN_MAX)


def _new(
    key: Key, clocks: Clocks, objection_id: UUID, today: date, *, statement: Statement,
    found: FoundItem,
) -> Objection:
    """An open objection, filed today; whose it is the caller knows."""
    frozen = orjson.dumps(dict(found.frozen), option=orjson.OPT_UTC_Z).decode()
    is_asked = found.source_id is not None
    return Objection(
        objection_id=objection_id,
        **vars(statement.subject),
        reason=statement.reason,
        words_sealed=seal_text(
            key, statement.words, column="words", objection_id=objection_id
        ),
        frozen_sealed=seal_text(key, frozen, column="frozen", objection_id=objection_id),
        record_version=found.record_version,
        source_id=found.source_id,
        filed_on=today,
        source_due_on=clocks.source_due_on(today) if is_asked else None,
        decide_due_on=clocks.decide_due_on(today),
        state="open",
        round=1,
        source_is_extended=False,
    )


def _said(key: Key, row: Objection) -> Statement:
    """What was filed under an id."""
    subject = Subject(
        kind=row.kind, record_type=row.record_type, record_number=row.record_number,
        indicator=row.indicator, item_id=row.item_id,
    )
    words = open_text(key, row.words_sealed, column="words", objection_id=row.objection_id)
    return Statement(subject, row.reason, words)



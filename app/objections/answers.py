"""What the source of a disputed record is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from app.kernel.clock import city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.keys import KeyProvider
from app.objections import refusals
from app.objections.clocks import Clocks
from app.objections.models import Objection
from app.objections.queries import DECIDED, ObjectionLine, find_by_id, line_of
from app.objections.sealing import data_key, open_text, seal_text
from app.trail.operations import Actor, record_access, require_reason

SOURCE: Final = "source"


@dataclass(frozen=True)
class AskedObjection:
    """An objection as the source sees it: its own record, and what is said against it."""

    line: ObjectionLine
    words: str


def open_asked(*, keys: KeyProvider, source_id: UUID, objection_id: UUID) -> AskedObjection:
    """What a citizen says against a record of this source; reading it stands in the trail.

    ObjectionUnknown for one about another source's record, and for a decided one.
    """
    with transaction() as session:
        row = find_by_id(session, objection_id)
        if row is None or row.source_id != source_id or row.state == DECIDED:
            raise refusals.ObjectionUnknown
        key = data_key(keys, row.citizen_id)
        record_access(
            citizen_id=row.citizen_id, actor=Actor(SOURCE, source_id), action="objection_read",
            fields=["words"], basis="objection",
        )
        words = open_text(key, row.words_sealed, column="words", objection_id=objection_id)
        return AskedObjection(line_of(row), words)


def answer(
    *, keys: KeyProvider, source_id: UUID, objection_id: UUID, answer: str, reason: str
) -> ObjectionLine:
    """Answer, once; the same answer again changes nothing.

    `uphold` the record, `correct` it or `withdraw` it, which the source then delivers as its next
    version.  A late answer counts as long as nothing is decided.
    """
    with transaction() as session:
        row = _asked(objection_id, source_id)
        key = data_key(keys, row.citizen_id)
        if row.answer_sealed is not None:
            said = open_text(key, row.answer_sealed, column="answer", objection_id=objection_id)
            if (row.answer, said) != (answer, reason):
                raise refusals.ObjectionAnswered
            return line_of(row)
        moment = session.execute(select(func.clock_timestamp())).scalar_one()
        row.answer, row.answered_at = answer, moment
        row.answer_sealed = seal_text(key, reason, column="answer", objection_id=objection_id)
        session.flush()
        record_access(
            citizen_id=row.citizen_id, actor=Actor(SOURCE, source_id),
            action="objection_answered", fields=[answer], basis="objection",
        )
        return line_of(row)


def extend(
    *, clocks: Clocks, source_id: UUID, objection_id: UUID, reason: str
) -> ObjectionLine:
    """Take the extra days, once, before the term is over, for a reason that the citizen reads."""
    reason = require_reason(reason)
    with transaction() as session:
        row = _asked(objection_id, source_id)
        assert row.source_due_on is not None
        late = city_today(session) > row.source_due_on
        if row.source_is_extended or row.answer is not None or late:
            raise refusals.ExtensionRefused
        row.source_is_extended = True
        row.source_due_on = clocks.extended_until(row.source_due_on)
        session.flush()
        record_access(
            citizen_id=row.citizen_id, actor=Actor(SOURCE, source_id),
            action="objection_extended", reason=reason, basis="objection",
        )
        return line_of(row)


def _asked(objection_id: UUID, source_id: UUID) -> Objection:
    """An undecided objection about a record of this source, locked."""
    row = find_by_id(transaction_required(), objection_id)
    if row is None or row.source_id != source_id:
        raise refusals.ObjectionUnknown
    if row.state == DECIDED:
        raise refusals.ObjectionDecided
    return row

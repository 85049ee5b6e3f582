"""Taking a chunk of rows of a delivery: looked up in bulk and judged row by row, in order.

Rows may come from anywhere, as pairs of their number and their cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from app.kernel.keys import Key, KeyProvider, KeyPurpose
from app.members.operations import NewMember, register_members
from app.members.queries import RegisteredPerson, find_citizens_by_id_numbers
from app.records.adverse import limit_terms
from app.records.catalogue import Catalogue, RecordType
from app.records.judging import (
    HeldRecord,
    Outcome,
    Statement,
    find_person,
    is_blank,
    judge_version,
    read_statement,
)
from app.records.keeping import (
    KeptRow,
    NewVersion,
    content_digest,
    find_held,
    has_content,
    keep_versions,
)
from app.records.reading import Layout
from app.records.steps import Reason, Row
from app.trail.operations import Actor

NumberedRows = Iterable[tuple[int, list[str]]]
KEPT = frozenset({Outcome.ACCEPTED, Outcome.CORRECTED, Outcome.VOIDED})


class Points(Protocol):
    """What the points of rows are settled by; called in the open transaction, in row order."""

    def spend(self, rows: Sequence[KeptRow]) -> frozenset[int]:
        """Spend what accepted orders ask for; the row numbers of those that ask for too much."""

    def follow(self, rows: Sequence[KeptRow]) -> None:
        """Grant for records that are kept now and take back what earlier versions granted."""


@dataclass
class Tally:
    """What became of the rows so far."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    refusals: list[tuple[int, Reason]] = field(default_factory=list)
    blank: int = 0
    citizens: set[UUID] = field(default_factory=set)

    def note(self, number: int, verdict: Outcome | Reason) -> None:
        """Count one row."""
        if isinstance(verdict, Outcome):
            self.outcomes[verdict] += 1
        else:
            self.refusals.append((number, verdict))


@dataclass(frozen=True)
class Taking:
    """What every row of one delivery is judged against, and the transaction of a chunk."""

    session: Session
    keys: KeyProvider
    catalogue: Catalogue
    layout: Layout
    delivery_id: UUID
    delivered_on: date

    @property
    def record_type(self) -> RecordType:
        """What the rows are."""
        return self.layout.record_type


def _people_rows(
    taking: Taking, chunk: NumberedRows, tally: Tally
) -> list[tuple[int, Row]]:
    """Steps 1-7: the rows of a chunk that say who they are about."""
    found = []
    for number, cells in chunk:
        if is_blank(cells):
            tally.blank += 1
            continue
        row = Row(cells, taking.layout, taking.delivered_on)
        reason = find_person(row)
        if reason is None:
            found.append((number, row))
        else:
            tally.note(number, reason)
    return found


class RecordTaker:
    """Judges rows of a department's delivery and keeps what is good; one for each chunk."""

    def __init__(self, taking: Taking, points: Points) -> None:
        self._taking = taking
        self._points = points
        self._people: dict[str, RegisteredPerson] = {}
        self._data_keys: dict[UUID, Key] = {}
        self._content_key = taking.keys.active(KeyPurpose.CONTENT)
        self._waiting: list[NewVersion] = []
        self._verdicts: dict[int, Outcome] = {}
        self.tally = Tally()

    def take(self, chunk: NumberedRows) -> Tally:
        """Take the rows, in the open transaction."""
        rows = _people_rows(self._taking, chunk, self.tally)
        self._judge(self._statements(rows))
        return self.tally

    def _statements(
        self, rows: list[tuple[int, Row]]
    ) -> list[tuple[int, RegisteredPerson, Statement]]:
        """Steps 8-22: what members' rows say.  Of others nothing is looked at, nothing is kept."""
        self._look_up({row.id_number for _, row in rows})
        found = []
        for number, row in rows:
            person = self._people.get(row.id_number)
            if person is None or person.joined_on > self._taking.delivered_on:
                self.tally.note(number, Outcome.DROPPED)
                continue
            if row.kind.name_column is not None:
                row.person_name = person.name
            statement = read_statement(row, catalogue=self._taking.catalogue)
            if isinstance(statement, Statement):
                found.append((number, person, statement))
            else:
                self.tally.note(number, statement)
        return found

    def _look_up(self, id_numbers: set[str]) -> None:
        self._people = find_citizens_by_id_numbers(keys=self._taking.keys, id_numbers=id_numbers)
        self._data_keys = {
            person.citizen_id: person.data_key for person in self._people.values()
        }

    def _judge(self, statements: list[tuple[int, RegisteredPerson, Statement]]) -> None:
        """Steps 23-28, in row order."""
        held = find_held(
            self._taking.session,
            record_type=self._taking.record_type.code,
            numbers={statement.record_number for _, _, statement in statements},
        )
        for number, person, statement in statements:
            if self._must_settle_before(statement):
                self._settle(held)
            self._place(number, person.citizen_id, statement, held)
        self._settle(held)

    def _must_settle_before(self, statement: Statement) -> bool:
        # Whether an order is held is known only when its points are spent.
        return self._taking.record_type.spends is not None and any(
            version.row.record_number == statement.record_number for version in self._waiting
        )

    def _place(
        self, number: int, citizen_id: UUID, statement: Statement, held: dict[str, HeldRecord]
    ) -> None:
        record = held.get(statement.record_number)
        verdict = judge_version(
            statement,
            citizen_id=citizen_id,
            held=record,
            same_content=lambda digest: has_content(
                self._taking.keys, digest, statement.content
            ),
        )
        if not isinstance(verdict, Outcome) or verdict not in KEPT:
            self.tally.note(number, verdict)
            return
        version = self._new_version(number, citizen_id, statement, is_new=record is None)
        record = held.setdefault(statement.record_number, HeldRecord(citizen_id))
        record.digests[statement.version] = version.digest
        self._waiting.append(version)
        self._verdicts[number] = verdict

    def _new_version(
        self, number: int, citizen_id: UUID, statement: Statement, *, is_new: bool
    ) -> NewVersion:
        row = KeptRow(
            citizen_id=citizen_id,
            record_type=self._taking.record_type.code,
            record_number=statement.record_number,
            version=statement.version,
            is_void=statement.is_void,
            event_on=statement.event_on,
            ends_on=statement.ends_on,
            item=statement.item,
            measures=statement.measures,
            delivery_id=self._taking.delivery_id,
            row_number=number,
            delivered_on=self._taking.delivered_on,
            is_new_record=is_new,
        )
        digest = content_digest(self._content_key, statement.content)
        return NewVersion(row, digest, statement.details)

    def _settle(self, held: dict[str, HeldRecord]) -> None:
        """Keep what waits; orders only as far as the points reach."""
        waiting, self._waiting = self._waiting, []
        refused: frozenset[int] = frozenset()
        if self._taking.record_type.spends is not None:
            refused = self._points.spend([version.row for version in waiting])
        kept = [version for version in waiting if version.row.row_number not in refused]
        if kept and not self._taking.record_type.positive:
            kept = limit_terms(
                self._taking.session, versions=kept, record_type=self._taking.record_type
            )
        keep_versions(self._taking.session, versions=kept, data_keys=self._data_keys)
        if self._taking.record_type.spends is None:
            self._points.follow([version.row for version in kept])
        for version in waiting:
            row = version.row
            if row.row_number in refused:
                del held[row.record_number]
                self.tally.note(row.row_number, Reason.INSUFFICIENT_POINTS)
            else:
                self.tally.note(row.row_number, self._verdicts[row.row_number])
                self.tally.citizens.add(row.citizen_id)
        self._verdicts.clear()


class RegisterTaker:
    """Judges rows of the register and registers the people in them; one for each chunk."""

    def __init__(self, taking: Taking, actor: Actor) -> None:
        self._taking = taking
        self._actor = actor
        self.tally = Tally()

    def take(self, chunk: NumberedRows) -> Tally:
        """Take the rows, in the open transaction."""
        self._register(_people_rows(self._taking, chunk, self.tally))
        return self.tally

    def _register(self, rows: list[tuple[int, Row]]) -> None:
        found = find_citizens_by_id_numbers(
            keys=self._taking.keys, id_numbers={row.id_number for _, row in rows}
        )
        known = {
            number: (person.name, person.phone, person.joined_on)
            for number, person in found.items()
        }
        new: list[tuple[int, NewMember]] = []
        for number, row in rows:
            statement = read_statement(row, catalogue=self._taking.catalogue)
            if not isinstance(statement, Statement):
                self.tally.note(number, statement)
                continue
            member = _new_member(statement)
            said = (member.name, member.phone, member.joined_on)
            if member.id_number in known:
                same = known[member.id_number] == said
                self.tally.note(number, Outcome.DUPLICATE if same else Reason.MEMBER_EXISTS)
                continue
            known[member.id_number] = said
            new.append((number, member))
        self._keep(new)

    def _keep(self, new: list[tuple[int, NewMember]]) -> None:
        registered = register_members(
            keys=self._taking.keys, people=[member for _, member in new], actor=self._actor
        )
        for (number, _), one in zip(new, registered, strict=True):
            # Not created: somebody who left, or who joined by WeChat this very moment.
            self.tally.note(number, Outcome.ACCEPTED if one.created else Reason.MEMBER_EXISTS)
            if one.created:
                self.tally.citizens.add(one.citizen_id)


def _new_member(statement: Statement) -> NewMember:
    assert statement.event_on is not None
    return NewMember(
        name=statement.name,
        id_number=statement.id_number,
        phone=statement.phone,
        joined_on=statement.event_on,
    )

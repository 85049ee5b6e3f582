"""Whose score it is: a citizen's, or a household's under the id of its head.

There is one arithmetic; only where records and members come from differs.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Integer, TableValuedAlias, Text, Uuid, column, func
from sqlalchemy.dialects.postgresql import JSONB

from app.households.queries import find_heads
from app.scoring.rules import Scheme, Subject

_RECORDS: Final = {
    Subject.CITIZEN: func.records_live, Subject.HOUSEHOLD: func.score_household_records,
}
_MEMBERS: Final = {
    Subject.CITIZEN: func.citizens_joined, Subject.HOUSEHOLD: func.score_household_heads,
}
_TAKING_PART: Final = {
    Subject.CITIZEN: func.score_taking_part,
    Subject.HOUSEHOLD: func.score_household_taking_part,
}


def records_of(subject: Subject, as_of: ColumnElement[date]) -> TableValuedAlias:
    """The records in force on a day, under the id of the subject that they count for."""
    return _RECORDS[subject](as_of).table_valued(
        column("citizen_id", Uuid()), column("record_type", Text()),
        column("record_number", Text()), column("version", Integer()), column("event_on", Date()),
        column("ends_on", Date()), column("item", Text()), column("measures", JSONB()), name="r",
    )  # fmt: skip


def members_of(subject: Subject, as_of: ColumnElement[date]) -> TableValuedAlias:
    """Who has a score on a day, with or without records."""
    return _MEMBERS[subject](as_of).table_valued(column("citizen_id", Uuid()), name="c")


def taking_part_of(subject: Subject, as_of: ColumnElement[date]) -> TableValuedAlias:
    """Who agrees to be ranked, with the village."""
    return _TAKING_PART[subject](as_of).table_valued(
        column("citizen_id", Uuid()), column("village_code", Text()), name="w"
    )


def find_subjects(
    *, scheme: Scheme, citizen_ids: Collection[UUID], as_of: date
) -> dict[UUID, UUID]:
    """Whose score is each citizen's on a day: their own, or that of their household's head.

    Of a household's scheme, nobody who counts for no household.
    """
    if scheme.subject is Subject.CITIZEN:
        return {one: one for one in citizen_ids}
    return find_heads(citizen_ids=citizen_ids, as_of=as_of)

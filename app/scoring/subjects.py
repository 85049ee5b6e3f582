"""Whose score it is: a citizen's, or a household's under the id of its head.

There is one arithmetic.  The database makes the chain over households out of the text of the chain
over citizens (`score_mirror_households`); statements over it are made here in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Function, Select, TextClause, text
from sqlalchemy.sql.visitors import cloned_traverse

from app.households.queries import find_heads
from app.scoring.rules import Scheme, Subject

CHAIN = ("fed", "parts", "periods", "indicators", "dimensions", "totals", "lines")
_LINK = re.compile(rf"\bscore_({'|'.join(CHAIN)}|taking_part)\(")
_SOURCES = {
    "records_live(": "score_household_records(",
    "citizens_joined(": "score_household_heads(",
}


def over(subject: Subject, sql: str) -> str:
    """A statement over the chain of citizens, for this kind of subject."""
    if subject is Subject.CITIZEN:
        return sql
    for ours, theirs in _SOURCES.items():
        sql = sql.replace(ours, theirs)
    return _LINK.sub(r"score_household_\1(", sql)


def select_over(subject: Subject, query: Select[Any]) -> Select[Any]:
    """The same of a query that was built."""
    if subject is Subject.CITIZEN:
        return query
    return cloned_traverse(query, {}, {"function": _rename})


def _rename(function: Function[Any]) -> None:
    function.name = over(Subject.HOUSEHOLD, f"{function.name}(").rstrip("(")


@lru_cache(maxsize=64)
def statement(subject: Subject, sql: str) -> TextClause:
    """The same, ready to run; for statements that stand in the code."""
    return text(over(subject, sql))


def find_subjects(
    *, scheme: Scheme, citizen_ids: Collection[UUID], as_of: date
) -> dict[UUID, UUID]:
    """Whose score is each citizen's on a day: their own, or that of their household's head.

    Of a household's scheme, nobody who counts for no household.
    """
    if scheme.subject is Subject.CITIZEN:
        return {one: one for one in citizen_ids}
    return find_heads(citizen_ids=citizen_ids, as_of=as_of)

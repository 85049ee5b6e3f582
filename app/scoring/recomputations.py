"""Recomputing the scores of everybody: a job that can be watched and that goes on after a kill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from math import ceil
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Select, exists, func, select

from app.kernel.clock import city_date
from app.kernel.database import reading, side_by_side, transaction, transaction_required
from app.kernel.errors import Conflict, NotFound
from app.kernel.ids import new_id
from app.records.queries import current_day
from app.scoring.counting import AS_OF
from app.scoring.models import Score, ScoreRecomputation
from app.scoring.queries import least_tier, published_scheme, scheme_in_force
from app.scoring.refreshing import ONE_AT_A_TIME, due_citizens, store_scores, store_slice
from app.scoring.scheme import Rule, Scheme
from app.scoring.subjects import members_of

# A slice holds the lock that deliveries wait for at their end: well below their three seconds.
MEMBERS_PER_SLICE = 12_500
AT_ONCE = 2  # as many cores are kept busy
DUE_AT_ONCE = 1_000
LISTED_MAX = 20

_RUNNING = select(ScoreRecomputation).where(ScoreRecomputation.is_running)


class RecomputationRunning(Conflict):
    """One at a time."""

    code: ClassVar[str] = "recomputation_running"
    title: ClassVar[str] = "Another recomputation is running"
    advice: ClassVar[str] = "已有一次重新计算正在进行，请等待其完成。"


class RecomputationNotFound(NotFound):
    """There is no such recomputation."""

    code: ClassVar[str] = "recomputation_not_found"
    title: ClassVar[str] = "There is no such recomputation"
    advice: ClassVar[str] = "没有找到该次重新计算，请核对编号。"


@dataclass(frozen=True)
class Recomputation:
    """A pass over everybody's score; `staff_id` None: the city's clock or a new scheme.

    `as_of_on` is the day that it was begun for; one begun for its own day goes with the days.
    """

    recomputation_id: UUID
    scheme_code: str
    scheme_version: str
    as_of_on: date
    staff_id: UUID | None
    slice_count: int
    slices_done: int
    changed_count: int
    started_at: datetime
    finished_at: datetime | None

    @property
    def done_percent(self) -> int:
        """How much of it is done, in whole per cent."""
        return 100 * self.slices_done // self.slice_count


def start_recomputation(
    *,
    recomputation_id: UUID,
    staff_id: UUID | None = None,
    as_of: date | None = None,
    slices: int | None = None,
) -> Recomputation | None:
    """Note that everybody's score is to be computed for a day (default: now).

    The worker does it.  The same id again changes nothing; while another one runs it is refused.
    None when no scheme applies on that day.
    """
    with transaction() as session:
        as_of = as_of or current_day()
        scheme = scheme_in_force(on=as_of)
        session.execute(ONE_AT_A_TIME)
        known = session.get(ScoreRecomputation, recomputation_id)
        if known is not None or scheme is None:
            return None if known is None else _told(known)
        if session.scalar(_RUNNING) is not None:
            raise RecomputationRunning
        made = ScoreRecomputation(
            recomputation_id=recomputation_id,
            scheme_code=scheme.code,
            scheme_version=scheme.version,
            as_of_on=as_of,
            staff_id=staff_id,
            slice_count=slices or _slices(as_of),
        )
        session.add(made)
        session.flush()
        session.refresh(made)
        return _told(made)


def run_slice(*, at_once: int = 1) -> Recomputation | None:
    """Do the next slice of the running recomputation in one transaction; None when none runs.

    More `at_once` are each in a transaction of its own, side by side: after a kill some are done
    again, which changes nothing, and `changed_count` has not counted them.  What passes midnight
    is computed for the new day: results with its deliveries are there already.
    """
    with transaction() as session:
        running = session.scalars(_RUNNING.with_for_update()).one_or_none()
        if running is None:
            return None
        scheme, as_of = _rules_of(running)
        todo = range(running.slices_done, running.slice_count)[:at_once]
        slices = [
            partial(store_slice, scheme=scheme, as_of=as_of, at=at, count=running.slice_count)
            for at in todo
        ]  # fmt: skip
        changed = [slices[0]()] if at_once == 1 else side_by_side(slices)
        done = running.slices_done + len(todo)
        finished = done == running.slice_count
        finished_at = session.scalar(select(func.clock_timestamp())) if finished else None
        running.changed_count += sum(changed)
        running.slices_done, running.finished_at = done, finished_at
        running.is_running = not finished
        return _told(running)


def _rules_of(running: ScoreRecomputation) -> tuple[Scheme, date]:
    """By which rules the next slice is computed, and for which day."""
    now_on, begun_on = current_day(), city_date(running.started_at)
    later = scheme_in_force(on=now_on) if begun_on <= running.as_of_on < now_on else None
    if later is not None:
        return later, now_on
    scheme = published_scheme(code=running.scheme_code, version=running.scheme_version)
    return scheme, running.as_of_on


def finish_running(*, at_once: int = 1) -> int:
    """Finish the recomputation that runs, if one does; how many scores it changed in all."""
    changed = 0
    while (told := run_slice(at_once=at_once)) is not None:
        changed = told.changed_count
    return changed


def refresh_due(*, as_of: date) -> int:
    """Compute the scores that change by themselves up to a day, a batch a transaction; how many."""
    count = 0
    scheme = scheme_in_force(on=as_of)
    while scheme is not None:
        with transaction() as session:
            session.execute(ONE_AT_A_TIME)
            due = due_citizens(as_of=as_of, limit=DUE_AT_ONCE)
            store_scores(scheme=scheme, as_of=as_of, citizen_ids=due)
        count += len(due)
        if len(due) < DUE_AT_ONCE:
            break
    return count


def keep_scores(*, at_once: int = 1) -> None:
    """What the worker does every minute: all that stored scores need to stay right.

    A scheme that has become effective: everybody.  A killed recomputation: the rest of it.  Records
    that reached the end of their validity at midnight, or while nothing ran: their citizens.  Who
    joined since and has no record yet: what a scheme gives to everybody.
    """
    finish_running(at_once=at_once)
    as_of = current_day()
    scheme = scheme_in_force(on=as_of)
    if scheme is None:
        return
    last = next(iter(list_recomputations(limit=1)), None)
    if last is None or (last.scheme_code, last.scheme_version) != (scheme.code, scheme.version):
        start_recomputation(recomputation_id=new_id())
        finish_running(at_once=at_once)
    refresh_due(as_of=as_of)
    refresh_joined(as_of=as_of)


def refresh_joined(*, as_of: date) -> int:
    """Store the scores of members who have none yet, a batch a transaction; how many.

    Only where a scheme gives something to everybody: a starting value, or a tier from zero on.
    """
    scheme = scheme_in_force(on=as_of)
    if scheme is None or not (least_tier(scheme) or _starts_with_something(scheme)):
        return 0
    count = 0
    while True:
        with transaction() as session:
            session.execute(ONE_AT_A_TIME)
            found = session.scalars(_without_score(scheme), {"as_of": as_of}).all()
            store_scores(scheme=scheme, as_of=as_of, citizen_ids=found)
        count += len(found)
        if len(found) < DUE_AT_ONCE:
            return count


def _without_score(scheme: Scheme) -> Select[Any]:
    c = members_of(scheme.subject, AS_OF).c
    stored = exists().where(Score.citizen_id == c.citizen_id)
    return select(c.citizen_id).where(~stored).limit(DUE_AT_ONCE)


def _starts_with_something(scheme: Scheme) -> bool:
    return any(one.rule is Rule.BASE for one in scheme.indicators)


def open_recomputation(*, recomputation_id: UUID) -> Recomputation:
    """How far a recomputation is."""
    with reading() as session:
        found = session.get(ScoreRecomputation, recomputation_id)
    if found is None:
        raise RecomputationNotFound
    return _told(found)


def list_recomputations(*, limit: int = LISTED_MAX) -> list[Recomputation]:
    """The last recomputations, newest first."""
    query = (
        select(ScoreRecomputation)
        .order_by(
            ScoreRecomputation.started_at.desc(), ScoreRecomputation.recomputation_id.desc()
        )
        .limit(limit)
    )
    with reading() as session:
        return [_told(one) for one in session.scalars(query)]


def count_slices(members: int) -> int:
    """Into how many slices so many members are cut: full rounds of slices side by side."""
    return AT_ONCE * max(1, ceil(members / (AT_ONCE * MEMBERS_PER_SLICE)))


def _slices(as_of: date) -> int:
    """As many as there are members, or results: before the first pass there are none."""
    session = transaction_required()
    scores = session.scalar(select(func.count()).select_from(Score)) or 0
    joined = session.scalar(select(func.count()).select_from(func.citizens_joined(as_of))) or 0
    return count_slices(max(scores, joined))


def _told(row: ScoreRecomputation) -> Recomputation:
    return Recomputation(
        recomputation_id=row.recomputation_id,
        scheme_code=row.scheme_code,
        scheme_version=row.scheme_version,
        as_of_on=row.as_of_on,
        staff_id=row.staff_id,
        slice_count=row.slice_count,
        slices_done=row.slices_done,
        changed_count=row.changed_count,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )

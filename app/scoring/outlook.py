"""What will change in a score by itself soon, and which ways lead to the next tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Date,
    Integer,
    Select,
    bindparam,
    collate,
    column,
    func,
    literal_column,
    select,
    true,
)

from app.kernel.database import reading
from app.scoring.counting import AS_OF, truncated
from app.scoring.explanations import CITIZEN, ExplainedScore, IndicatorScore, lines_of
from app.scoring.models import SchemeDecision
from app.scoring.queries import (
    Score,
    list_scores,
    scheme_in_force,
    score_of,
)
from app.scoring.scheme import Indicator, Period, Rule, Scheme, Subject, Unit, parse_scheme
from app.scoring.totals import select_totals
from app.scoring.wording import describe_unit

_FIRST, _LAST = bindparam("first", type_=Date()), bindparam("last", type_=Date())
OUTLOOK_DAYS = 30
ENDINGS_MAX = 200


@dataclass(frozen=True)
class EndingLine:
    """A record that counts for an indicator up to the day before `ends_on`.

    Of a household's records no number is told: it may be another adult's.
    """

    indicator: str
    record_type: str
    record_number: str | None
    event_on: date
    ends_on: date
    value: Decimal


@dataclass(frozen=True)
class UpcomingChange:
    """A day on which something ends, loses worth or begins, and the result of that day.

    `ending_count` are all lines that end on it; `endings` may hold fewer.
    """

    on: date
    total: int
    tier: str | None
    scheme_version: str
    ending_count: int
    endings: tuple[EndingLine, ...]


@dataclass(frozen=True)
class Way:
    """Something that everybody may do for the score.

    `one_more` is what one more is, `worth` its exact value before rounding and caps, `gain_points`
    what it would bring to the total now, `room_points` what the caps still leave.
    """

    indicator: str
    name: str
    item: str | None
    one_more: str
    worth: Decimal
    gain_points: int
    room_points: int


@dataclass(frozen=True)
class Outlook:
    """The result of now, what changes by itself, and what the citizen may do."""

    now: ExplainedScore
    changes: tuple[UpcomingChange, ...]
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Running:
    """What the month of today holds of an indicator, and what its period gives: exact."""

    this_month: bool
    this_period: Decimal


NOTHING_RUNNING = Running(this_month=False, this_period=Decimal(0))


def list_changes(
    *, citizen_id: UUID, scheme: Scheme, as_of: date, days: int = OUTLOOK_DAYS
) -> tuple[UpcomingChange, ...]:
    """The days up to `days` from now on which the result changes without a delivery.

    A record ends, or is worth less by its age, or new rules begin.
    """
    last = as_of + timedelta(days=days)
    with reading():
        counts, endings = _endings(scheme, citizen_id, as_of, days)
        begins = _begins(after=as_of, last=last)
        made, before = [], list_scores(scheme=scheme, as_of=as_of, citizen_ids=[citizen_id])[0]
        tomorrow = as_of + timedelta(days=1)
        for score, rules in _results(scheme.subject, citizen_id, tomorrow, last, begins):
            on = score.as_of_on
            changed = (score.total, score.tier) != (before.total, before.tier)
            if changed or on in counts or on in begins:
                made.append(UpcomingChange(
                    on=on, total=score.total, tier=score.tier, scheme_version=rules.version,
                    ending_count=counts.get(on, 0), endings=tuple(endings.get(on, ())),
                ))
            before = score
    return tuple(made)


def _endings(
    scheme: Scheme, citizen_id: UUID, as_of: date, days: int
) -> tuple[dict[date, int], dict[date, list[EndingLine]]]:
    """How many lines end on each day, and the first of them."""
    asked = {"as_of": as_of, "citizen": citizen_id, "last": as_of + timedelta(days=days)}
    endings: dict[date, list[EndingLine]] = {}
    counts: dict[date, int] = {}
    with reading() as session:
        for *line, count, place in session.execute(_ending_lines(scheme.document), asked):
            made = EndingLine(*line)
            if scheme.subject is Subject.HOUSEHOLD:
                made = replace(made, record_number=None)
            counts[made.ends_on] = count
            if place <= ENDINGS_MAX // days:
                endings.setdefault(made.ends_on, []).append(made)
    return counts, endings


def _begins(*, after: date, last: date) -> list[date]:
    """The days on which other rules begin to apply."""
    query = select(SchemeDecision.effective_on).where(
        SchemeDecision.decision == "activated",
        SchemeDecision.effective_on > after, SchemeDecision.effective_on <= last,
    )
    with reading() as session:
        return sorted(session.scalars(query))


def _results(
    subject: Subject, citizen_id: UUID, first: date, last: date, begins: Sequence[date]
) -> Iterator[tuple[Score, Scheme]]:
    """The result of every day by the rules of that day.

    Up to rules over other subjects, for the head's own score is not the household's, and up to
    rules whose scores are shown later.
    """
    starts = sorted({first, *begins})
    for start, following in pairwise([*starts, last + timedelta(days=1)]):
        scheme = scheme_in_force(on=start)
        assert scheme is not None  # one applies today, and it does so until a later one begins
        if scheme.subject is not subject or scheme.shown:
            return
        asked = {"citizen": citizen_id, "first": start, "last": following - timedelta(days=1)}
        with reading() as session:
            rows = session.execute(_results_of_days(scheme.document), asked)
            found = {row.day: row._asdict() for row in rows}
        for n in range((following - start).days):
            day = start + timedelta(days=n)
            yield score_of(scheme, day, citizen_id, found.get(day)), scheme


@lru_cache(maxsize=16)
def _ending_lines(document: str) -> Select[Any]:
    """The lines that end up to a day, and how many end with each."""
    line = lines_of(document).subquery("l").c
    first = (line.indicator, collate(line.record_number, "C"))
    place = func.row_number().over(partition_by=line.ends_on, order_by=first).label("place")
    return (
        select(
            line.indicator, line.record_type, line.record_number, line.event_on, line.ends_on,
            line.value, func.count().over(partition_by=line.ends_on), place,
        )
        .where(line.ends_on <= _LAST).order_by(line.ends_on, place)
    )  # fmt: skip


@lru_cache(maxsize=16)
def _running_lines(document: str) -> Select[Any]:
    """Of each indicator, whether the month of the day has a record, and what its period gives."""
    line = lines_of(document).subquery("l").c
    return select(
        line.indicator,
        func.bool_or(line.event_on >= truncated(Period.MONTH, AS_OF)),
        func.coalesce(func.sum(line.value).filter(line.is_running), 0),
    ).group_by(line.indicator)


@lru_cache(maxsize=16)
def _results_of_days(document: str) -> Select[Any]:
    """One statement for many days: each day is a score of its own."""
    days = func.generate_series(0, _LAST - _FIRST).table_valued(column("n", Integer()))
    days = days.render_derived(name="later")
    # A column of the query around it, which is in the FROM of none inside.
    day = _FIRST + literal_column("later.n", Integer())
    result = select_totals(
        parse_scheme(document, catalogue=None), as_of=day,
        among=lambda citizen_id: citizen_id == CITIZEN,
    ).lateral("t")
    return select(
        (_FIRST + days.c.n).label("day"), result.c.total, result.c.tier, result.c.dimensions
    ).select_from(days).join(result, true())


def list_ways(found: ExplainedScore, *, running: Mapping[str, Running]) -> tuple[Way, ...]:
    """What the published scheme opens to everybody and is not full, the greatest gain first.

    Never what only some may do: honours, merits, blood, money.  `running` is what the month and
    the period of today hold already: of a month one record counts, and a period has a cap.
    """
    ways = [
        way
        for one in found.indicators
        for way in _ways_of(found, one, running.get(one.indicator.code, NOTHING_RUNNING))
        if way.room_points > 0
    ]
    return tuple(sorted(ways, key=lambda way: (-way.gain_points, -way.worth, way.indicator)))


def find_running(*, citizen_id: UUID, scheme: Scheme, as_of: date) -> dict[str, Running]:
    """What today's month and period hold already, by indicator."""
    asked = {"as_of": as_of, "citizen": citizen_id}
    with reading() as session:
        rows = session.execute(_running_lines(scheme.document), asked)
        return {indicator: Running(*running) for indicator, *running in rows}


def _ways_of(found: ExplainedScore, one: IndicatorScore, running: Running) -> Iterator[Way]:
    rule = one.indicator
    if rule.unit is Unit.MONTH and running.this_month:
        return
    most = Decimal(rule.cap)
    if rule.period_cap is not None:
        most = min(most, one.exact - running.this_period + rule.period_cap)
    for item, worth in rule.open_worths():
        exact = _exact_with(rule, one.exact, running.this_period, worth)
        yield Way(
            indicator=rule.code,
            name=rule.name,
            item=item,
            one_more=describe_unit(rule),
            worth=worth,
            gain_points=_total_with(found, rule, exact) - found.score.total,
            room_points=_total_with(found, rule, most) - found.score.total,
        )


def _exact_with(
    rule: Indicator, exact: Decimal, this_period: Decimal, worth: Decimal
) -> Decimal:
    """The exact value with one more, which falls into today's period where a rule has periods."""
    now = this_period if rule.period else exact
    more = max(now, worth) if rule.rule in {Rule.BEST_OF, Rule.ONCE} else now + worth
    if rule.period_cap is not None:
        more = min(more, rule.period_cap)
    return exact - now + more


def _total_with(found: ExplainedScore, rule: Indicator, exact: Decimal) -> int:
    """The total if one indicator had another exact value: rounded and capped as published."""
    rounded = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    total = 0
    for dimension in found.dimensions:
        points = dimension.points_before_cap
        if dimension.dimension.code == rule.dimension:
            before = next(one.points for one in found.indicators if one.indicator == rule)
            points += min(rounded, rule.cap) - before
        total += min(points, dimension.dimension.cap)
    return max(0, min(total, found.scheme.total_cap))

"""What will change in a score by itself soon, and which ways lead to the next tier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from sqlalchemy import select

from app.kernel.database import reading
from app.scoring.explanations import ExplainedScore, IndicatorScore
from app.scoring.models import SchemeVersion
from app.scoring.queries import list_scores, scheme_in_force, score_parameters
from app.scoring.scheme import Indicator, Rule, Scheme, Subject, Unit
from app.scoring.subjects import statement
from app.scoring.wording import describe_unit

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
    """A day on which something ends or new rules begin, and the result of that day.

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


_ENDINGS = """
    SELECT l.indicator, l.record_type, l.record_number, l.event_on, l.ends_on, l.value,
           count(*) OVER (PARTITION BY l.ends_on) AS ending_count,
           row_number() OVER (PARTITION BY l.ends_on
                              ORDER BY l.indicator, l.record_number COLLATE "C") AS place
    FROM score_lines(CAST(:as_of AS date), :scheme, :version) l
    WHERE l.citizen_id = :citizen AND l.ends_on <= CAST(:last AS date)
    ORDER BY l.ends_on, place
"""
_MONTHS = """
    SELECT DISTINCT l.indicator
    FROM score_lines(CAST(:as_of AS date), :scheme, :version) l
    WHERE l.citizen_id = :citizen AND l.event_on >= CAST(:first AS date)
"""


def list_changes(
    *, citizen_id: UUID, scheme: Scheme, as_of: date, days: int = OUTLOOK_DAYS
) -> tuple[UpcomingChange, ...]:
    """The days up to `days` from now on which the result may change without a delivery."""
    last = as_of + timedelta(days=days)
    parameters = {**score_parameters(scheme, as_of), "citizen": citizen_id, "last": last}
    with reading() as session:
        endings: dict[date, list[EndingLine]] = {}
        counts: dict[date, int] = {}
        for *line, count, place in session.execute(
            statement(scheme.subject, _ENDINGS), parameters
        ):
            made = EndingLine(*line)
            if scheme.subject is Subject.HOUSEHOLD:
                made = replace(made, record_number=None)
            counts[made.ends_on] = count
            if place <= ENDINGS_MAX // days:
                endings.setdefault(made.ends_on, []).append(made)
        begins = session.scalars(
            select(SchemeVersion.effective_on).where(
                SchemeVersion.effective_on > as_of, SchemeVersion.effective_on <= last
            )
        )
        return tuple(
            _change(citizen_id, on, counts.get(on, 0), endings.get(on, ()))
            for on in sorted({*counts, *begins})
        )


def _change(
    citizen_id: UUID, on: date, ending_count: int, endings: Iterable[EndingLine]
) -> UpcomingChange:
    scheme = scheme_in_force(on=on)
    assert scheme is not None  # one applies today, and it does so until a later one begins
    score = list_scores(scheme=scheme, as_of=on, citizen_ids=[citizen_id])[0]
    return UpcomingChange(
        on=on, total=score.total, tier=score.tier, scheme_version=scheme.version,
        ending_count=ending_count, endings=tuple(endings),
    )


def list_ways(found: ExplainedScore, *, counted_this_month: frozenset[str]) -> tuple[Way, ...]:
    """What the published scheme opens to everybody and is not full, the greatest gain first.

    Never what only some may do: honours, merits, blood, money.  `counted_this_month` are the
    monthly indicators that have this month already.
    """
    ways = [
        way
        for one in found.indicators
        if one.indicator.code not in counted_this_month
        for way in _ways_of(found, one)
        if way.room_points > 0
    ]
    return tuple(sorted(ways, key=lambda way: (-way.gain_points, -way.worth, way.indicator)))


def monthly_counted(*, citizen_id: UUID, scheme: Scheme, as_of: date) -> frozenset[str]:
    """The indicators counted by the month that have this month already."""
    monthly = {one.code for one in scheme.indicators if one.unit is Unit.MONTH}
    parameters = {
        **score_parameters(scheme, as_of), "citizen": citizen_id, "first": as_of.replace(day=1),
    }
    with reading() as session:
        found = session.scalars(statement(scheme.subject, _MONTHS), parameters)
        return frozenset(monthly & set(found))


def _ways_of(found: ExplainedScore, one: IndicatorScore) -> Iterator[Way]:
    rule = one.indicator
    for item, worth in rule.open_worths():
        exact = _exact_with(rule, one.exact, worth)
        yield Way(
            indicator=rule.code,
            name=rule.name,
            item=item,
            one_more=describe_unit(rule),
            worth=worth,
            gain_points=_total_with(found, rule, exact) - found.score.total,
            room_points=_total_with(found, rule, Decimal(rule.cap)) - found.score.total,
        )


def _exact_with(rule: Indicator, exact: Decimal, worth: Decimal) -> Decimal:
    """The exact value with one more."""
    if rule.rule in {Rule.BEST_OF, Rule.ONCE}:
        return max(exact, worth)
    return exact + worth


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

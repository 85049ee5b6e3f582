"""The score, written out: the rules of one version as one statement, for one citizen or for all.

Each indicator is an aggregate of its own over one group by citizen, or first by citizen and period
where a rule has periods; caps and tiers follow in the same row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, reduce
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Numeric,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    extract,
    false,
    func,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import BIT, JSONB, array

from app.scoring.counting import AS_OF, Counting, divisor, exact, is_whole, truncated, whole, word
from app.scoring.scheme import Indicator, Period, Rule, Scheme, Unit
from app.scoring.subjects import members_of, records_of

MONTHS_MAX_DAYS = 62 * 28  # the months of as many days at most have a bit each

Among = Callable[[ColumnElement[UUID]], ColumnElement[bool]]  # a condition on the citizen


def select_totals(
    scheme: Scheme,
    *,
    among: Among,
    records: FromClause | None = None,
    as_of: ColumnElement[Any] = AS_OF,
    with_indicators: bool = False,
) -> Select[Any]:
    """The query of results: citizen_id, total, tier, dimensions, changes_on.

    `changes_on` is the first day after `as_of`, the parameter, on which a record is worth something
    else.  With `with_indicators` a column `indicators`: of each that anything feeds, by its code,
    the exact value as text, rounded, and cut at the cap.  `records` are those in force on the day
    where they are at hand already.  Who has no result has no row.

    What stands behind OFFSET 0 is computed once per citizen.
    """
    found = records_of(scheme.subject, as_of) if records is None else records
    points = _Written(scheme, among, found, as_of).points(with_exact=with_indicators)
    told = [_told_indicators(scheme, points)] if with_indicators else []
    dimensions = select(points.c.citizen_id, points.c.changes_on, *told, *(
        _dimension(scheme, one.code, one.cap, points).label(f"d{at}")
        for at, one in enumerate(scheme.dimensions)
    )).offset(0).subquery("d")  # fmt: skip
    given = [dimensions.c[f"d{at}"] for at in range(len(scheme.dimensions))]
    total = func.greatest(whole(0), func.least(_sum(given), whole(scheme.total_cap)))
    return select(
        dimensions.c.citizen_id,
        total.label("total"),
        _tier(scheme, total).label("tier"),
        _named(scheme, given).label("dimensions"),
        dimensions.c.changes_on,
        *(dimensions.c[one.name] for one in told),
    ).where(_first(given).is_not(None))


@dataclass
class _Written:
    """Every indicator by citizen; null where nothing feeds it."""

    scheme: Scheme
    among: Among
    records: FromClause
    as_of: ColumnElement[Any]
    aggregates: list[ColumnElement[Any]] = field(default_factory=list)
    latest: dict[tuple[Any, ...], int] = field(default_factory=dict)  # which aggregate it is

    @cached_property
    def counting(self) -> Counting:
        return Counting(self.records.c, self.as_of)

    @cached_property
    def plain(self) -> dict[int, int]:
        """The indicators that need one group by citizen, and which aggregate each has."""
        return {
            at: self._place(one) for at, one in enumerate(self.scheme.indicators)
            if one.rule is not Rule.BASE and not _grains(one)
        }

    def points(self, *, with_exact: bool) -> FromClause:
        """citizen_id, changes_on, points of each indicator and, if asked, its exact value."""
        plain = self.plain
        sources = reduce(_joined, self._sources()).subquery("s")
        # The measures of a latest record, read once for all the indicators that they feed.
        picked = select(sources, *(
            cast(sources.c[f"a{at}"][3], JSONB()).label(f"m{at}") for at in self.latest.values()
        )).offset(0).subquery("w")  # fmt: skip
        columns = [picked.c.citizen_id, picked.c.changes_on]
        for at, rule in enumerate(self.scheme.indicators):
            raw = picked.c[f"a{plain[at]}" if at in plain else f"g{at}"]
            value: ColumnElement[Any] = raw
            if at in plain:
                value = self._finished(rule, raw, picked.c.get(f"m{plain[at]}"))
            value = value if divisor(rule) == 1 else value / whole(divisor(rule))
            columns.append(_points(rule, raw, value).label(f"i{at}"))
            if with_exact:
                columns.append(case((raw.is_not(None), cast(value, Numeric()))).label(f"e{at}"))
        return select(*columns).offset(0).subquery("p")

    def _sources(self) -> Iterator[Select[Any]]:
        """Queries by citizen that together have every indicator."""
        rules = list(enumerate(self.scheme.indicators))
        if self.plain:
            some = [self.scheme.indicators[at] for at in self.plain]
            given = {f"a{at}": one for at, one in enumerate(self.aggregates)}
            yield self._grouped(some, given)
        for grains in sorted({_grains(one) for _, one in rules} - {()}):
            yield self._by_period(
                grains, {f"g{at}": one for at, one in rules if _grains(one) == grains}
            )
        bases = {f"g{at}": one.value for at, one in rules if one.rule is Rule.BASE}
        if bases:
            members = members_of(self.scheme.subject, self.as_of).c
            yield select(
                members.citizen_id, cast(null(), Date()).label("changes_on"),
                *(exact(value or 0).label(name) for name, value in bases.items()),
            ).where(self.among(members.citizen_id))  # fmt: skip

    def _grouped(
        self, rules: Sequence[Indicator], given: Mapping[str, ColumnElement[Any]],
        *keys: ColumnElement[Any],
    ) -> Select[Any]:
        """Aggregates by citizen, and by the keys."""
        r = self.counting.r
        return (
            select(r.citizen_id, _changes(self.counting, rules).label("changes_on"), *keys,
                   *(one.label(name) for name, one in given.items()))
            .where(_may_count(self.counting, rules), self.among(r.citizen_id))
            .group_by(r.citizen_id, *keys)
        )  # fmt: skip

    def _by_period(
        self, grains: Sequence[str], rules: Mapping[str, Indicator]
    ) -> Select[Any]:
        """The sums of rules that look at each month or period by itself, each cut at its cap."""
        finest, *coarser = grains
        start = truncated(finest, self.counting.r.event_on).label("start_on")
        given = {name: self._aggregated(one) for name, one in rules.items()}
        parts = self._grouped(list(rules.values()), given, start).subquery()
        for grain in coarser:
            start = truncated(grain, parts.c.start_on).label("start_on")
            parts = _added(parts, {name: parts.c[name] for name in rules}, start).subquery()
        return _added(parts, {
            name: _capped(one, self._finished(one, parts.c[name]))
            for name, one in rules.items()
        })

    def _place(self, rule: Indicator) -> int:
        """Which aggregate an indicator has; those of the same latest record share one."""
        key = (rule.record_type, rule.validity_days, rule.until_record_ends, *rule.items)
        if rule.rule is Rule.FACTOR and key in self.latest:
            return self.latest[key]
        self.aggregates.append(self._aggregated(rule))
        place = len(self.aggregates) - 1
        if rule.rule is Rule.FACTOR:
            self.latest[key] = place
        return place

    def _aggregated(self, rule: Indicator) -> ColumnElement[Any]:
        aggregate: ColumnElement[Any] = self._aggregate(rule).filter(self.counting.feeds(rule))
        return aggregate

    def _aggregate(self, rule: Indicator) -> Any:
        counting = self.counting
        if rule.rule is Rule.FACTOR:
            return func.max(counting.latest(), type_=ARRAY(Text()))
        if _has_bits(rule):
            age = _months(self.as_of) - _months(counting.r.event_on)
            return func.bit_or(cast(whole(1), BigInteger()).bitwise_lshift(age), type_=BigInteger())
        if rule.rule in {Rule.BEST_OF, Rule.ONCE} or rule.unit is Unit.MONTH:
            return func.max(counting.amount(rule))
        if rule.value is None or is_whole(rule):
            return func.sum(counting.amount(rule))
        parts = counting.parts(rule)
        return func.sum(whole(1) if parts is None else parts)

    def _finished(
        self, rule: Indicator, raw: ColumnElement[Any], measures: ColumnElement[Any] | None = None
    ) -> ColumnElement[Any]:
        """The exact value, in parts of the divisor, from what was aggregated."""
        if measures is not None:
            return self.counting.of_latest(raw, measures).amount(rule)
        value = self.counting.value(rule)
        if _has_bits(rule):
            return func.bit_count(cast(raw, BIT(64))) * exact(_one_value(rule))
        if rule.unit is Unit.HUNDRED_YUAN:
            return func.div(raw, whole(100)) * value
        added_up = rule.rule is Rule.PER_UNIT and rule.unit is not Unit.MONTH
        return raw * value if added_up and rule.value is not None and not is_whole(rule) else raw


def _joined(left: Select[Any], right: Select[Any]) -> Select[Any]:
    """Everybody of either side, with the columns of both."""
    a, b = left.subquery().c, right.subquery().c
    return select(
        func.coalesce(a.citizen_id, b.citizen_id).label("citizen_id"),
        func.least(a.changes_on, b.changes_on).label("changes_on"),
        *(one for one in (*a, *b) if one.name not in {"citizen_id", "changes_on"}),
    ).select_from(
        a.citizen_id.table.outerjoin(b.citizen_id.table, a.citizen_id == b.citizen_id, full=True)
    )


def _added(
    parts: FromClause, given: Mapping[str, ColumnElement[Any]], *keys: ColumnElement[Any]
) -> Select[Any]:
    return select(
        parts.c.citizen_id, func.min(parts.c.changes_on).label("changes_on"), *keys,
        *(func.sum(one).label(name) for name, one in given.items()),
    ).group_by(parts.c.citizen_id, *keys)  # fmt: skip


def _grains(rule: Indicator) -> tuple[str, ...]:
    """By which months or periods a rule is aggregated before they are added up, finest first."""
    by_month = rule.unit is Unit.MONTH and not _has_bits(rule)
    periods = [Period.MONTH] if by_month else []
    if rule.period and rule.period not in periods:
        periods.append(rule.period)
    return tuple(one.value for one in periods)


def _has_bits(rule: Indicator) -> bool:
    """Whether a bit for each month is enough: months of one value, and not too many."""
    if rule.unit is not Unit.MONTH or rule.period or rule.decay or rule.validity_days is None:
        return False
    return rule.validity_days <= MONTHS_MAX_DAYS and len(_values(rule)) == 1


def _values(rule: Indicator) -> set[Decimal]:
    return set(rule.items.values()) if rule.value is None else {rule.value}


def _one_value(rule: Indicator) -> Decimal:
    (value,) = _values(rule)
    return value


def _capped(rule: Indicator, amount: ColumnElement[Any]) -> ColumnElement[Any]:
    """What one period gives: cut at its cap, both ways, where it has one."""
    if rule.period_cap is None:
        return amount
    cap = exact(rule.period_cap * divisor(rule))
    return case((amount.is_not(None), func.greatest(-cap, func.least(cap, amount))))


def _points(
    rule: Indicator, raw: ColumnElement[Any], value: ColumnElement[Any]
) -> ColumnElement[Any]:
    """Rounded once, half away from zero, then the cap, both ways."""
    cap = whole(rule.cap)
    rounded = value if is_whole(rule) else cast(func.round(value), BigInteger())
    return case((raw.is_not(None), func.greatest(-cap, func.least(cap, rounded))))


def _may_count(counting: Counting, rules: Sequence[Indicator]) -> ColumnElement[Any]:
    """Whether any rule may look at a record: every aggregate is asked about what passes here."""
    longest: dict[str, int | None] = {}
    for rule in rules:
        days, before = rule.validity_days, longest.get(rule.record_type, 0)
        longest[rule.record_type] = None if days is None or before is None else max(days, before)
    return case(
        *(
            (counting.r.record_type == word(kind), counting.is_valid(days))
            for kind, days in longest.items()
        ),
        else_=false(),
    )


def _changes(counting: Counting, rules: Sequence[Indicator]) -> ColumnElement[Any]:
    """The first day on which a record is worth something else, by its type."""
    days: dict[str, list[ColumnElement[Any]]] = {}
    for rule in rules:
        if rule.validity_days is None and not rule.until_record_ends and not rule.decay:
            continue
        change = case((counting.is_counted(rule), counting.changes_on(rule)))
        some = days.setdefault(rule.record_type, [])
        if not any(change.compare(other) for other in some):
            some.append(change)
    cases = [
        (counting.r.record_type == word(kind), func.least(*some)) for kind, some in days.items()
    ]
    return func.min(case(*cases), type_=Date()) if cases else cast(null(), Date())


def _months(day: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(whole(12) * extract("year", day) + extract("month", day), Integer())


def _told_indicators(scheme: Scheme, points: FromClause) -> ColumnElement[Any]:
    """The indicators that something feeds, by their codes: exact as text, rounded, and cut."""
    count = range(len(scheme.indicators))
    given = func.unnest(
        array([word(one.code) for one in scheme.indicators]),
        array([points.c[f"e{at}"] for at in count]), array([points.c[f"i{at}"] for at in count]),
    ).table_valued(
        column("code", Text()), column("exact", Numeric()), column("points", BigInteger()),
    ).render_derived()  # fmt: skip
    one = func.jsonb_build_array(
        cast(given.c.exact, Text()), func.round(given.c.exact), given.c.points
    )
    return (
        select(func.jsonb_object_agg(given.c.code, one, type_=JSONB()))
        .where(given.c.exact.is_not(None)).scalar_subquery().label("indicators")
    )  # fmt: skip


def _dimension(scheme: Scheme, code: str, cap: int, points: FromClause) -> ColumnElement[Any]:
    given = [
        points.c[f"i{at}"] for at, one in enumerate(scheme.indicators) if one.dimension == code
    ]
    if not given:
        return cast(null(), BigInteger())
    return case((_first(given).is_not(None), func.least(_sum(given), whole(cap))))


def _named(scheme: Scheme, points: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """The points by dimension, without those that nothing feeds."""
    parts = zip([word(one.code) for one in scheme.dimensions], points, strict=True)
    named = func.jsonb_build_object(*(part for pair in parts for part in pair), type_=JSONB())
    full = and_(*(one.is_not(None) for one in points))
    return case((full, named), else_=func.jsonb_strip_nulls(named, type_=JSONB()))


def _tier(scheme: Scheme, total: ColumnElement[Any]) -> ColumnElement[Any]:
    tiers = sorted(scheme.tiers, key=lambda tier: -tier.least_total)
    if not tiers:
        return cast(null(), Text())
    return case(*((total >= whole(one.least_total), word(one.code)) for one in tiers))


def _sum(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    first, *rest = [func.coalesce(one, whole(0)) for one in columns]
    added: ColumnElement[Any] = first
    for one in rest:
        added = added + one
    return added


def _first(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return func.coalesce(*columns)

"""The totals of many citizens in one pass: the rules of one version written out as a query.

`score_totals` is the definition.  It joins the rules to every record and adds up at five levels,
which is right for some citizens and slow for all of them.  Here each indicator is an aggregate of
its own over one group by citizen.  Only rules that look at each record for itself are written out,
and months of one value; those with periods or decay, and starting values, come from the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
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
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    collate,
    column,
    extract,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import BIT, JSONB, array

from app.scoring.scheme import Indicator, Rule, Scheme, Unit
from app.scoring.subjects import select_over

MONTHS_MAX_DAYS = 62 * 28  # the months of as many days at most have a bit each
WHOLE_BELOW = 2**31  # what an integer of four bytes holds

Among = Callable[[ColumnElement[UUID]], ColumnElement[bool]]  # a condition on the citizen
_AS_OF = bindparam("as_of", type_=Date())
_RECORDS = func.records_live(_AS_OF).table_valued(
    column("citizen_id", Uuid()), column("record_type", Text()), column("record_number", Text()),
    column("event_on", Date()), column("ends_on", Date()), column("item", Text()),
    column("measures", JSONB()), name="r",
)  # fmt: skip
_R = _RECORDS.c


def select_totals(scheme: Scheme, *, among: Among) -> Select[Any]:
    """The query that gives what `score_totals` gives, for some citizens; its parameter is `as_of`.

    What stands behind OFFSET 0 is computed once per citizen.
    """
    points = _Sources(scheme, among).points()
    dimensions = select(points.c.citizen_id, points.c.changes_on, *(
        _dimension(scheme, one.code, one.cap, points).label(f"d{at}")
        for at, one in enumerate(scheme.dimensions)
    )).offset(0).subquery("d")  # fmt: skip
    found = [dimensions.c[f"d{at}"] for at in range(len(scheme.dimensions))]
    total = func.greatest(0, func.least(_sum(found), _whole(scheme.total_cap)))
    query = select(
        dimensions.c.citizen_id,
        total.label("total"),
        _tier(scheme, total).label("tier"),
        _named(scheme, found).label("dimensions"),
        dimensions.c.changes_on,
    ).where(_first(found).is_not(None))
    return select_over(scheme.subject, query)


def is_plain(rule: Indicator) -> bool:
    """Whether an indicator needs no more than one look at each record."""
    if rule.rule is Rule.BASE or rule.period or rule.decay:
        return False
    if rule.unit is Unit.MONTH:
        short = rule.validity_days is not None and rule.validity_days <= MONTHS_MAX_DAYS
        return short and rule.measure is None and len(_values(rule)) == 1
    if rule.rule is Rule.FACTOR or rule.unit is Unit.HUNDRED_YUAN:
        return rule.measure is not None and rule.value is not None
    return True


@dataclass
class _Sources:
    """Points of every indicator by citizen; null where nothing feeds it."""

    scheme: Scheme
    among: Among
    aggregates: list[ColumnElement[Any]] = field(default_factory=list)
    latest: dict[tuple[str, int | None, bool], int] = field(default_factory=dict)  # its aggregate

    @cached_property
    def _plain(self) -> list[Indicator]:
        return [one for one in self.scheme.indicators if is_plain(one)]

    @cached_property
    def _others(self) -> list[Indicator]:
        return [one for one in self.scheme.indicators if not is_plain(one)]

    def points(self) -> FromClause:
        """citizen_id, changes_on, and a column per indicator."""
        if not self._plain:
            return self._defined()
        places = [self._place(rule) for rule in self._plain]
        written = self._written(places)
        if not self._others:
            return written
        defined = self._defined()
        both = written.outerjoin(defined, written.c.citizen_id == defined.c.citizen_id, full=True)
        return (
            select(
                func.coalesce(written.c.citizen_id, defined.c.citizen_id).label("citizen_id"),
                func.least(written.c.changes_on, defined.c.changes_on).label("changes_on"),
                *(written.c[_name(self.scheme, one)] for one in self._plain),
                *(defined.c[_name(self.scheme, one)] for one in self._others),
            ).select_from(both).offset(0).subquery("i")
        )  # fmt: skip

    def _written(self, places: Sequence[int]) -> FromClause:
        sums = (
            select(
                _R.citizen_id, _changes(self._plain).label("changes_on"),
                *(one.label(f"a{at}") for at, one in enumerate(self.aggregates)),
            )
            .where(_R.event_on <= _AS_OF, _may_count(self._plain), self.among(_R.citizen_id))
            .group_by(_R.citizen_id).subquery("s")
        )  # fmt: skip
        # The measures of a latest record, read once for all the indicators that they feed.
        picked = select(sums, *(
            cast(sums.c[f"a{at}"][3], JSONB()).label(f"m{at}") for at in self.latest.values()
        )).offset(0).subquery("w")  # fmt: skip
        return select(picked.c.citizen_id, picked.c.changes_on, *(
            _points(rule, picked, at).label(_name(self.scheme, rule))
            for rule, at in zip(self._plain, places, strict=True)
        )).offset(0).subquery("p")  # fmt: skip

    def _place(self, rule: Indicator) -> int:
        """Which aggregate an indicator has; those of the same latest record share one."""
        key = (rule.record_type, rule.validity_days, rule.until_record_ends)
        if rule.rule is Rule.FACTOR and key in self.latest:
            return self.latest[key]
        feeds = and_(_R.record_type == _word(rule.record_type), _counts(rule))
        self.aggregates.append(_aggregate(rule).filter(feeds))
        place = len(self.aggregates) - 1
        if rule.rule is Rule.FACTOR:
            self.latest[key] = place
        return place

    def _defined(self) -> FromClause:
        """What the definition says about the indicators that are not written out."""
        given = func.score_indicators(
            _AS_OF, _word(self.scheme.code), _word(self.scheme.version)
        ).table_valued(
            column("citizen_id", Uuid()), column("indicator", Text()),
            column("points", BigInteger()), column("changes_on", Date()), name="n",
        ).c  # fmt: skip
        return (
            select(
                given.citizen_id, func.min(given.changes_on).label("changes_on"),
                *(
                    func.max(given.points).filter(given.indicator == _word(one.code))
                    .label(_name(self.scheme, one))
                    for one in self._others
                ),
            )
            .where(given.indicator.in_([_word(one.code) for one in self._others]),
                   self.among(given.citizen_id))
            .group_by(given.citizen_id).offset(0).subquery("f")
        )  # fmt: skip


def _name(scheme: Scheme, rule: Indicator) -> str:
    return f"i{scheme.indicators.index(rule)}"


def _aggregate(rule: Indicator) -> Any:
    quantity = _quantity(rule)
    if rule.rule is Rule.FACTOR:
        # The latest; two of one day: the greater number.  Days as six digits.
        day = cast(_R.event_on - literal("1000-01-01", Date()), Text())
        parts: list[ColumnElement[Any]] = [
            collate(day, "C"), _R.record_number, cast(_R.measures, Text())
        ]
        latest: array[Any] = array(parts, type_=Text())
        return func.max(latest, type_=ARRAY(Text()))
    if rule.unit is Unit.MONTH:
        age = _months(_AS_OF) - _months(_R.event_on)
        return func.bit_or(literal(1, BigInteger()).bitwise_lshift(age), type_=BigInteger())
    amount = _worth(rule) if quantity is None else quantity * _worth(rule)
    if rule.rule in {Rule.BEST_OF, Rule.ONCE}:
        return func.max(amount)
    if rule.value is None or _is_whole(rule):
        return func.sum(amount)
    return func.sum(literal(1, Integer()) if quantity is None else quantity)


def _points(rule: Indicator, picked: FromClause, at: int) -> ColumnElement[Any]:
    """Rounded once, half away from zero, then the cap, both ways."""
    given = picked.c[f"a{at}"]
    cap = _whole(rule.cap)
    rounded = given if _is_whole(rule) else cast(
        func.round(_exact(rule, picked, at)), BigInteger()
    )
    return case((given.is_not(None), func.greatest(-cap, func.least(cap, rounded))))


def _exact(rule: Indicator, picked: FromClause, at: int) -> ColumnElement[Any]:
    given = picked.c[f"a{at}"]
    if rule.rule is Rule.FACTOR:
        return cast(picked.c[f"m{at}"][rule.measure].astext, Numeric()) * _worth(rule)
    if rule.unit is Unit.MONTH:
        (value,) = _values(rule)
        return func.bit_count(cast(given, BIT(64))) * _number(value)
    if rule.unit is Unit.HUNDRED_YUAN:
        return func.div(given, 100) * _worth(rule)
    if rule.rule in {Rule.BEST_OF, Rule.ONCE} or rule.value is None:
        return given
    return given * _worth(rule)


def _is_whole(rule: Indicator) -> bool:
    """Whether integers are enough for it: they cost a fraction of exact decimals."""
    whole = all(value == int(value) and abs(value) < WHOLE_BELOW for value in _values(rule))
    return whole and rule.measure is None and rule.unit is not Unit.MONTH


def _quantity(rule: Indicator) -> ColumnElement[Any] | None:
    if rule.measure is None:
        return None
    return cast(_R.measures[_word(rule.measure)].astext, Numeric())


def _worth(rule: Indicator) -> ColumnElement[Any]:
    def number(value: Decimal) -> ColumnElement[Any]:
        return literal(int(value), Integer()) if _is_whole(rule) else _number(value)

    if rule.value is not None:
        return number(rule.value)
    return case(*((_R.item == _word(item), number(value)) for item, value in rule.items.items()))


def _values(rule: Indicator) -> set[Decimal]:
    return set(rule.items.values()) if rule.value is None else {rule.value}


def _counts(rule: Indicator) -> ColumnElement[bool]:
    """When a record of its type feeds a rule on the day."""
    conditions: list[ColumnElement[bool]] = []
    if rule.validity_days is not None:
        conditions.append(_is_valid(rule.validity_days))
    if rule.until_record_ends:
        conditions.append(or_(_R.ends_on.is_(None), _R.ends_on > _AS_OF))
    if rule.items:
        conditions.append(_R.item.in_([_word(item) for item in rule.items]))
    return and_(True, *conditions)


def _may_count(rules: Sequence[Indicator]) -> ColumnElement[Any]:
    """Whether any rule may look at a record: every aggregate is asked about what passes here."""
    longest: dict[str, int | None] = {}
    for rule in rules:
        days, before = rule.validity_days, longest.get(rule.record_type, 0)
        longest[rule.record_type] = None if days is None or before is None else max(days, before)
    return case(
        *(
            (_R.record_type == _word(kind), true() if days is None else _is_valid(days))
            for kind, days in longest.items()
        ),
        else_=false(),
    )


def _is_valid(days: int) -> ColumnElement[bool]:
    return _R.event_on > _AS_OF - literal(days, Integer())


def _changes(rules: Sequence[Indicator]) -> ColumnElement[Any]:
    """The first day on which a record is worth something else, by its type."""
    ends: dict[str, list[ColumnElement[Any]]] = {}
    for rule in rules:
        last: list[ColumnElement[Any]] = []
        if rule.validity_days is not None:
            last.append(_R.event_on + literal(rule.validity_days, Integer()))
        if rule.until_record_ends:
            last.append(_R.ends_on)
        end = case((_counts(rule), func.least(*last))) if last else null()
        some = ends.setdefault(rule.record_type, [])
        if last and not any(end.compare(other) for other in some):
            some.append(end)
    cases = [
        (_R.record_type == _word(kind), func.least(*some)) for kind, some in ends.items() if some
    ]
    return func.min(case(*cases), type_=Date()) if cases else cast(null(), Date())


def _months(day: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(12 * extract("year", day) + extract("month", day), Integer())


def _dimension(scheme: Scheme, code: str, cap: int, points: FromClause) -> ColumnElement[Any]:
    given = [points.c[_name(scheme, one)] for one in scheme.indicators if one.dimension == code]
    if not given:
        return cast(null(), BigInteger())
    return case((_first(given).is_not(None), func.least(_sum(given), _whole(cap))))


def _named(scheme: Scheme, points: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """The points by dimension, without those that nothing feeds."""
    parts = zip([_word(one.code) for one in scheme.dimensions], points, strict=True)
    named = func.jsonb_build_object(*(part for pair in parts for part in pair), type_=JSONB())
    full = and_(*(one.is_not(None) for one in points))
    return case((full, named), else_=func.jsonb_strip_nulls(named, type_=JSONB()))


def _tier(scheme: Scheme, total: ColumnElement[Any]) -> ColumnElement[Any]:
    tiers = sorted(scheme.tiers, key=lambda tier: -tier.least_total)
    if not tiers:
        return cast(null(), Text())
    return case(*((total >= _whole(one.least_total), _word(one.code)) for one in tiers))


def _sum(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    first, *rest = [func.coalesce(one, 0) for one in columns]
    added: ColumnElement[Any] = first
    for one in rest:
        added = added + one
    return added


def _first(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return func.coalesce(*columns)


def _word(value: str) -> ColumnElement[str]:
    return literal(value, Text())


def _number(value: Decimal) -> ColumnElement[Decimal]:
    return literal(value, Numeric())


def _whole(value: int) -> ColumnElement[int]:
    return literal(value, BigInteger())

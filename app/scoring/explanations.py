"""A citizen's score of a day with everything that led to it, read in one statement.

One statement is one snapshot: a delivery that arrives meanwhile is in all of it or in none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    collate,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from app.disputes.queries import RECORD, Item, find_disputed
from app.kernel.database import reading
from app.kernel.keys import KeyProvider
from app.records.catalogue import RecordType
from app.records.origins import (
    REASON_COLUMN,
    RecordOrigin,
    VersionKey,
    find_origins,
    find_stated_reasons,
)
from app.records.queries import catalogue_in_force
from app.records.retention import expired_until
from app.scoring.counting import AS_OF, word
from app.scoring.lines import select_lines
from app.scoring.queries import Score, score_of
from app.scoring.scheme import Dimension, Indicator, Scheme, parse_scheme
from app.scoring.subjects import records_of
from app.scoring.totals import select_totals
from app.scoring.wording import describe_line, describe_not_counted

LINES_MAX = 100
ALL_LINES = 1_000_000
CITIZEN = bindparam("citizen", type_=Uuid())
_AFTER = bindparam("after_line", type_=BigInteger())
_LIMIT = bindparam("limit", type_=BigInteger())


@dataclass(frozen=True)
class ScoreLine:
    """One record beside one indicator.

    `value` is exact, after what the cap of its period took (`over_period_cap`) and before
    rounding; `over_cap` is what of it the indicator's cap takes, in the order of the lines.
    `not_counted` says why it is nothing: `older` (only the latest counts), `best_of`, `once`,
    `same_month`; from `ends_on` on the record counts no longer.  Number and origin are not told of
    the record of another adult of the household.
    """

    record_type: str
    record_number: str | None
    version: int
    event_on: date
    ends_on: date | None
    item: str | None
    quantity: Decimal
    value: Decimal
    over_period_cap: Decimal
    over_cap: Decimal
    not_counted: str | None
    wording: str
    why_not: str | None
    record_title: str
    legal_basis: str
    stated_reason: str | None
    origin: RecordOrigin | None
    is_disputed: bool


@dataclass(frozen=True)
class IndicatorScore:
    """An indicator: the exact value, rounded once, then cut at the cap.

    `lines` are those of the page that was asked for, of `line_count`.
    """

    indicator: Indicator
    exact: Decimal
    rounded: int
    points: int
    line_count: int
    lines: tuple[ScoreLine, ...]

    @property
    def taken_by_cap(self) -> int:
        """The points that the indicator's cap took."""
        return self.rounded - self.points


@dataclass(frozen=True)
class DimensionScore:
    """A dimension's points before and after its cap."""

    dimension: Dimension
    points_before_cap: int
    points: int

    @property
    def taken_by_cap(self) -> int:
        """The points that the dimension's cap took."""
        return self.points_before_cap - self.points


@dataclass(frozen=True)
class NextTier:
    """The tier above, and the points to it."""

    code: str
    missing_points: int


@dataclass(frozen=True)
class ExplainedScore:
    """A result with everything that led to it; `next_after_line` is None on the last page.

    On `expired_until_on` and before, records counted that went at the end of their retention: of
    those days less may be told than then.  `next_shown_on` is the day from which a later state is
    shown, where that is not at once.
    """

    score: Score
    scheme: Scheme
    dimensions: tuple[DimensionScore, ...]
    indicators: tuple[IndicatorScore, ...]
    line_count: int
    next_after_line: int | None
    expired_until_on: date | None
    next_shown_on: date | None = None

    @property
    def next_tier(self) -> NextTier | None:
        """The nearest tier above the total."""
        above = [tier for tier in self.scheme.tiers if tier.least_total > self.score.total]
        if not above:
            return None
        nearest = min(above, key=lambda tier: tier.least_total)
        return NextTier(nearest.code, nearest.least_total - self.score.total)


@lru_cache(maxsize=16)
def _explaining(document: str) -> Select[Any]:
    """score, indicators, line_count, and a page of lines, of one subject.

    Exact numbers travel as text: JSON would make floats of them.
    """
    scheme = parse_scheme(document, catalogue=None)
    mine = _records_of_one(scheme)
    line = select_lines(scheme, records=mine).subquery("l").c
    by_number = (line.event_on, line.record_type, collate(line.record_number, "C"))
    lines = select(
        line.citizen_id.table,
        func.sum(line.value).over(partition_by=line.indicator, order_by=by_number).label("reached"),
        func.row_number().over(order_by=(line.indicator, *by_number)).label("place"),
    ).cte("lines")
    score = select_totals(
        scheme, among=lambda citizen_id: citizen_id == CITIZEN, records=mine, with_indicators=True
    ).subquery("t")
    counts = select(lines.c.indicator, func.count().label("count")).group_by(lines.c.indicator)
    of = counts.subquery("k").c
    page = select(
        func.jsonb_agg(aggregate_order_by(_told_line(lines.c), lines.c.place))
    ).where(lines.c.place > _AFTER, lines.c.place <= _AFTER + _LIMIT)
    return select(
        select(func.to_jsonb(literal_column("t"), type_=JSONB())).select_from(score)
        .scalar_subquery().label("score"),
        select(func.jsonb_object_agg(of.indicator, of.count, type_=JSONB()))
        .scalar_subquery().label("counts"),
        select(func.count()).select_from(lines).scalar_subquery().label("line_count"),
        page.scalar_subquery().label("lines"),
    )


def lines_of(document: str) -> Select[Any]:
    """The query of all lines of one subject; see `select_lines`."""
    scheme = parse_scheme(document, catalogue=None)
    return select_lines(scheme, records=_records_of_one(scheme))


def _records_of_one(scheme: Scheme) -> CTE:
    found = records_of(scheme.subject, AS_OF)
    return select(found).where(found.c.citizen_id == CITIZEN).cte("mine")


def _told_line(line: Any) -> ColumnElement[Any]:
    told = {name: line[name] for name in (
        "indicator", "record_type", "record_number", "version", "event_on", "ends_on", "item",
        "not_counted",
    )} | {name: cast(line[name], Text()) for name in (
        "quantity", "value", "over_period_cap", "reached",
    )}  # fmt: skip
    return func.jsonb_build_object(
        *(part for name, given in told.items() for part in (word(name), given)), type_=JSONB()
    )


def explain_score(
    *,
    scheme: Scheme,
    as_of: date,
    citizen_id: UUID,
    viewer_id: UUID | None = None,
    keys: KeyProvider | None = None,
    after_line: int = 0,
    limit: int = ALL_LINES,
) -> ExplainedScore:
    """The result of a subject on a day, with a page of the lines behind it.

    `citizen_id` is the subject, a household's head, and `viewer_id` the adult who asks and is told
    the numbers and origins of their own records only; by default the subject.  With `keys` the
    reasons that sources state for them are read too.

    Lines are in the order of indicator, event day and record number; the page begins after
    `after_line` lines and holds at most `limit`, none at all with 0.
    """
    asked = {"as_of": as_of, "citizen": citizen_id, "after_line": after_line, "limit": limit}
    with reading() as session:
        found = session.execute(_explaining(scheme.document), asked).one()
        lines = _lines(scheme, viewer_id or citizen_id, keys, found.lines or [])
        expired_until_on = expired_until(citizen_id=citizen_id)
    score = score_of(scheme, as_of, citizen_id, found.score)
    sums, counts = (found.score or {}).get("indicators", {}), found.counts or {}
    indicators = tuple(
        _indicator(one, sums.get(one.code), counts.get(one.code, 0), lines)
        for one in scheme.indicators
    )
    last = after_line + sum(len(one.lines) for one in indicators)
    return ExplainedScore(
        score=score,
        scheme=scheme,
        dimensions=_dimensions(scheme, score, indicators),
        indicators=indicators,
        line_count=found.line_count,
        next_after_line=last if last < found.line_count and limit else None,
        expired_until_on=expired_until_on,
    )


def _indicator(
    indicator: Indicator, sums: Sequence[Any] | None, line_count: int,
    lines: Mapping[str, list[ScoreLine]],
) -> IndicatorScore:
    exact, rounded, points = sums or ("0", 0, 0)
    return IndicatorScore(
        indicator=indicator,
        exact=Decimal(exact),
        rounded=rounded,
        points=points,
        line_count=line_count,
        lines=tuple(lines.get(indicator.code, ())),
    )


def _dimensions(
    scheme: Scheme, score: Score, indicators: Sequence[IndicatorScore]
) -> tuple[DimensionScore, ...]:
    return tuple(
        DimensionScore(
            dimension=dimension,
            points_before_cap=sum(
                one.points for one in indicators if one.indicator.dimension == dimension.code
            ),
            points=score.dimensions[dimension.code],
        )
        for dimension in scheme.dimensions
    )


def _lines(
    scheme: Scheme, viewer_id: UUID, provider: KeyProvider | None, rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[ScoreLine]]:
    rules = {indicator.code: indicator for indicator in scheme.indicators}
    keys = {_version_key(row) for row in rows}
    origins = find_origins(citizen_id=viewer_id, versions=keys)
    catalogue = catalogue_in_force()
    stated = {
        key for key in origins
        if REASON_COLUMN in catalogue.record_types[key.record_type].details_columns
    }  # fmt: skip
    reasons = find_stated_reasons(
        keys=provider, citizen_id=viewer_id, versions=stated
    ) if provider and stated else {}
    disputed = find_disputed(kind=RECORD, citizen_ids=[viewer_id]) if rows else frozenset()
    lines: dict[str, list[ScoreLine]] = {}
    for row in rows:
        kind = catalogue.record_types[row["record_type"]]
        key = _version_key(row)
        made = _line(rules[row["indicator"]], row, origins.get(key), kind, reasons.get(key))
        item = Item.of_record(key.record_type, key.record_number)
        made = replace(made, is_disputed=(viewer_id, item) in disputed)
        lines.setdefault(row["indicator"], []).append(made)
    return lines


def _version_key(row: Mapping[str, Any]) -> VersionKey:
    return VersionKey(row["record_type"], row["record_number"], row["version"])


def _line(
    rule: Indicator, row: Mapping[str, Any], origin: RecordOrigin | None, record_type: RecordType,
    stated_reason: str | None,
) -> ScoreLine:
    quantity, value = Decimal(row["quantity"]), Decimal(row["value"])
    reached = Decimal(row["reached"])
    counted = _within(rule.cap, reached) - _within(rule.cap, reached - value)
    event_on = date.fromisoformat(row["event_on"])
    return ScoreLine(
        record_type=row["record_type"],
        record_number=row["record_number"] if origin else None,
        version=row["version"],
        event_on=event_on,
        ends_on=None if row["ends_on"] is None else date.fromisoformat(row["ends_on"]),
        item=row["item"],
        quantity=quantity,
        value=value,
        over_period_cap=Decimal(row["over_period_cap"]),
        over_cap=value - counted,
        not_counted=row["not_counted"],
        wording=describe_line(
            rule, event_on=event_on, item=row["item"], quantity=quantity, value=value
        ),
        why_not=describe_not_counted(row["not_counted"]),
        record_title=record_type.title,
        legal_basis=record_type.legal_basis,
        stated_reason=stated_reason,
        origin=origin,
        is_disputed=False,
    )


def _within(cap: int, amount: Decimal) -> Decimal:
    """Caps hold both ways."""
    return max(Decimal(-cap), min(Decimal(cap), amount))

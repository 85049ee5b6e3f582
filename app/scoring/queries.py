"""Reading scores: always by the one definition in SQL (score_lines and what stands on it)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from sqlalchemy import func, select, text

from app.kernel.database import reading
from app.records.catalogue import load_catalogue
from app.scoring.models import SchemeVersion
from app.scoring.scheme import Indicator, Scheme, parse_scheme


@dataclass(frozen=True)
class ScoreLine:
    """One record beside one indicator.

    `value` is exact and before rounding and caps; `not_counted` says why it is nothing: `older`
    (only the latest counts), `best_of`, `once`, `same_month`.
    """

    record_type: str
    record_number: str
    version: int
    event_on: date
    ends_on: date | None
    item: str | None
    quantity: Decimal
    value: Decimal
    not_counted: str | None


@dataclass(frozen=True)
class IndicatorScore:
    """An indicator: the exact value, rounded once, then cut at the cap."""

    indicator: Indicator
    exact: Decimal
    rounded: int
    points: int
    lines: tuple[ScoreLine, ...] = ()


@dataclass(frozen=True)
class Score:
    """The result of a citizen on a day; points per dimension, every dimension named."""

    citizen_id: UUID
    as_of_on: date
    total: int
    tier: str | None
    dimensions: dict[str, int]


@dataclass(frozen=True)
class ExplainedScore:
    """A result with everything that led to it."""

    score: Score
    scheme: Scheme
    indicators: tuple[IndicatorScore, ...]
    next_tier: str | None
    missing_to_next_tier: int | None


@dataclass(frozen=True)
class IndicatorPoints:
    """The points of one indicator of one citizen, in lists over many citizens."""

    citizen_id: UUID
    indicator: str
    points: int


_TOTALS = text("""
    SELECT t.citizen_id, t.total, t.tier, t.dimensions
    FROM score_totals(CAST(:as_of AS date), :scheme, :version) t
    WHERE t.citizen_id = ANY(CAST(:citizens AS uuid[]))
""")
_INDICATORS = text("""
    SELECT i.citizen_id, i.indicator, i.exact, i.rounded, i.points
    FROM score_indicators(CAST(:as_of AS date), :scheme, :version) i
    WHERE i.citizen_id = ANY(CAST(:citizens AS uuid[]))
    ORDER BY i.citizen_id, i.indicator
""")
_LINES = text("""
    SELECT l.indicator, l.record_type, l.record_number, l.version, l.event_on, l.ends_on, l.item,
           l.quantity, l.value, l.not_counted
    FROM score_lines(CAST(:as_of AS date), :scheme, :version) l
    WHERE l.citizen_id = :citizen
    ORDER BY l.indicator, l.event_on, l.record_number COLLATE "C"
""")


def scheme_in_force(*, on: date) -> Scheme | None:
    """The published scheme that applies on a day: the latest that is effective by then."""
    query = (
        select(SchemeVersion.document)
        .where(SchemeVersion.effective_on <= on)
        .order_by(SchemeVersion.effective_on.desc())
        .limit(1)
    )
    with reading() as session:
        document = session.scalar(query)
    return None if document is None else _parsed(document)


@lru_cache(maxsize=16)
def _parsed(document: str) -> Scheme:
    return parse_scheme(document, catalogue=load_catalogue())


def current_tier(citizen_id: UUID) -> str | None:
    """The tier of an active citizen by the current score."""
    with reading() as session:
        return session.scalar(select(func.citizen_tier(citizen_id)))


def list_scores(*, scheme: Scheme, as_of: date, citizen_ids: Iterable[UUID]) -> list[Score]:
    """The results of citizens on a day, in the order asked for; without records all zero."""
    wanted = list(citizen_ids)
    with reading() as session:
        rows = session.execute(_TOTALS, _parameters(scheme, as_of) | {"citizens": wanted}).all()
    found = {row.citizen_id: row for row in rows}
    return [
        Score(
            citizen_id=citizen_id,
            as_of_on=as_of,
            total=found[citizen_id].total if citizen_id in found else 0,
            tier=found[citizen_id].tier if citizen_id in found else _least_tier(scheme),
            dimensions={
                dimension.code: found[citizen_id].dimensions.get(dimension.code, 0)
                if citizen_id in found
                else 0
                for dimension in scheme.dimensions
            },
        )
        for citizen_id in wanted
    ]


def list_indicator_points(
    *, scheme: Scheme, as_of: date, citizen_ids: Iterable[UUID]
) -> list[IndicatorPoints]:
    """The points of every indicator that has records, for many citizens."""
    parameters = _parameters(scheme, as_of) | {"citizens": list(citizen_ids)}
    with reading() as session:
        rows = session.execute(_INDICATORS, parameters).all()
    return [IndicatorPoints(row.citizen_id, row.indicator, row.points) for row in rows]


def explain_score(*, scheme: Scheme, as_of: date, citizen_id: UUID) -> ExplainedScore:
    """The result of a citizen on a day with its indicators and lines."""
    parameters = _parameters(scheme, as_of)
    with reading() as session:
        score = list_scores(scheme=scheme, as_of=as_of, citizen_ids=[citizen_id])[0]
        sums = session.execute(_INDICATORS, parameters | {"citizens": [citizen_id]}).all()
        rows = session.execute(_LINES, parameters | {"citizen": citizen_id}).all()
    lines: dict[str, list[ScoreLine]] = {}
    for indicator, *rest in rows:
        lines.setdefault(indicator, []).append(ScoreLine(*rest))
    by_code = {row.indicator: row for row in sums}
    missing = _next_tier(scheme, score.total)
    return ExplainedScore(
        score=score,
        scheme=scheme,
        indicators=tuple(
            IndicatorScore(
                indicator=indicator,
                exact=by_code[indicator.code].exact if indicator.code in by_code else Decimal(0),
                rounded=by_code[indicator.code].rounded if indicator.code in by_code else 0,
                points=by_code[indicator.code].points if indicator.code in by_code else 0,
                lines=tuple(lines.get(indicator.code, ())),
            )
            for indicator in scheme.indicators
        ),
        next_tier=missing[0] if missing else None,
        missing_to_next_tier=missing[1] if missing else None,
    )


def _parameters(scheme: Scheme, as_of: date) -> dict[str, object]:
    return {"as_of": as_of, "scheme": scheme.code, "version": scheme.version}


def _least_tier(scheme: Scheme) -> str | None:
    """The tier of a total of zero, where a scheme has one."""
    return next((tier.code for tier in scheme.tiers if tier.least_total == 0), None)


def _next_tier(scheme: Scheme, total: int) -> tuple[str, int] | None:
    above = [tier for tier in scheme.tiers if tier.least_total > total]
    if not above:
        return None
    nearest = min(above, key=lambda tier: tier.least_total)
    return nearest.code, nearest.least_total - total

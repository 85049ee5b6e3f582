"""Reading scores of any day: computed by the one definition (`totals`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, and_, bindparam, func, select

from app.kernel.database import reading
from app.scoring.models import SchemeDecision, SchemeVersion
from app.scoring.scheme import Scheme, parse_scheme
from app.scoring.totals import select_totals


@dataclass(frozen=True)
class Score:
    """The result of a citizen on a day; points per dimension, every dimension named."""

    citizen_id: UUID
    as_of_on: date
    total: int
    tier: str | None
    dimensions: dict[str, int]


@dataclass(frozen=True)
class IndicatorPoints:
    """The points of one indicator of one citizen, in lists over many citizens."""

    citizen_id: UUID
    indicator: str
    points: int


def scheme_in_force(*, on: date) -> Scheme | None:
    """The scheme that applies on a day: the latest activated one that is effective by then."""
    query = (
        select(SchemeVersion.document)
        .join(SchemeDecision, and_(
            SchemeDecision.scheme_code == SchemeVersion.scheme_code,
            SchemeDecision.version == SchemeVersion.version,
        ))
        .where(SchemeDecision.decision == "activated", SchemeDecision.effective_on <= on)
        .order_by(SchemeDecision.effective_on.desc())
        .limit(1)
    )
    with reading() as session:
        document = session.scalar(query)
    return None if document is None else _parsed(document)


def published_scheme(*, code: str, version: str) -> Scheme:
    """A published version by its name."""
    with reading() as session:
        row = session.get_one(SchemeVersion, (code, version))
    return _parsed(row.document)


@lru_cache(maxsize=16)
def _parsed(document: str) -> Scheme:
    return parse_scheme(document, catalogue=None)


def current_tier(citizen_id: UUID) -> str | None:
    """The tier of an active citizen by the current score."""
    with reading() as session:
        return session.scalar(select(func.citizen_tier(citizen_id)))


def list_scores(*, scheme: Scheme, as_of: date, citizen_ids: Iterable[UUID]) -> list[Score]:
    """The results of subjects on a day, in the order asked for; without records all zero.

    A household goes by the id of its head.
    """
    wanted = list(citizen_ids)
    with reading() as session:
        rows = session.execute(
            _results_of_some(scheme.document), {"as_of": as_of, "citizens": wanted}
        ).all()
    found = {row.citizen_id: row._asdict() for row in rows}
    return [score_of(scheme, as_of, one, found.get(one)) for one in wanted]


def score_of(
    scheme: Scheme, as_of: date, citizen_id: UUID, row: Mapping[str, Any] | None
) -> Score:
    """A result from what `select_totals` gave for a citizen; nothing without records."""
    points = row["dimensions"] if row else {}
    return Score(
        citizen_id=citizen_id,
        as_of_on=as_of,
        total=row["total"] if row else 0,
        tier=row["tier"] if row else least_tier(scheme),
        dimensions={one.code: points.get(one.code, 0) for one in scheme.dimensions},
    )


def list_indicator_points(
    *, scheme: Scheme, as_of: date, citizen_ids: Iterable[UUID]
) -> list[IndicatorPoints]:
    """The points of every indicator that has records, for many citizens."""
    asked = {"as_of": as_of, "citizens": list(citizen_ids)}
    with reading() as session:
        rows = session.execute(_results_of_some(scheme.document, with_indicators=True), asked)
        return [
            IndicatorPoints(row.citizen_id, indicator, points)
            for row in rows
            for indicator, (_, _, points) in row.indicators.items()
        ]


@lru_cache(maxsize=16)
def _results_of_some(document: str, *, with_indicators: bool = False) -> Select[Any]:
    asked = bindparam("citizens", type_=ARRAY(Uuid()))
    return select_totals(
        _parsed(document), among=lambda citizen_id: citizen_id == func.any(asked),
        with_indicators=with_indicators,
    )


def least_tier(scheme: Scheme) -> str | None:
    """The tier of a total of zero, where a scheme has one."""
    return next((tier.code for tier in scheme.tiers if tier.least_total == 0), None)

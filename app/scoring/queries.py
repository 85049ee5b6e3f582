"""Reading scores: always by the one definition in SQL (score_lines and what stands on it)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, func, select

from app.kernel.database import reading
from app.scoring.models import SchemeDecision, SchemeVersion
from app.scoring.scheme import Scheme, parse_scheme
from app.scoring.subjects import statement


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


@dataclass(frozen=True)
class WrongScore:
    """A stored total that is not what the definition gives; or its tier, or its dimensions."""

    citizen_id: UUID
    stored_total: int
    total: int


VERIFIED_AT_ONCE = 100
_TOTALS = """
    SELECT t.citizen_id, t.total, t.tier, t.dimensions
    FROM score_totals(CAST(:as_of AS date), :scheme, :version) t
    WHERE t.citizen_id = ANY(CAST(:citizens AS uuid[]))
"""
# Some stored scores that are due on no day up to this one, beside the definition, in one snapshot.
_VERIFY = """
    WITH held AS MATERIALIZED (
        SELECT * FROM scores
        WHERE citizen_id >= :first AND scheme_code = :scheme AND scheme_version = :version
          AND (changes_on IS NULL OR changes_on > CAST(:as_of AS date))
        ORDER BY citizen_id LIMIT :limit
    )
    SELECT s.citizen_id, s.total AS stored_total, coalesce(t.total, 0) AS total
    FROM held s
    LEFT JOIN (SELECT * FROM score_totals(CAST(:as_of AS date), :scheme, :version)
               WHERE citizen_id = ANY(ARRAY(SELECT citizen_id FROM held))) t
        ON t.citizen_id = s.citizen_id
    WHERE (s.total, s.tier, s.dimensions, s.changes_on) IS DISTINCT FROM
          (coalesce(t.total, 0), coalesce(t.tier, CAST(:least_tier AS text)),
           coalesce(t.dimensions, '{}'), t.changes_on)
"""
_INDICATORS = """
    SELECT i.citizen_id, i.indicator, i.exact, i.rounded, i.points
    FROM score_indicators(CAST(:as_of AS date), :scheme, :version) i
    WHERE i.citizen_id = ANY(CAST(:citizens AS uuid[]))
    ORDER BY i.citizen_id, i.indicator
"""


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
            statement(scheme.subject, _TOTALS),
            score_parameters(scheme, as_of) | {"citizens": wanted},
        ).all()
    found = {row.citizen_id: row._asdict() for row in rows}
    return [score_of(scheme, as_of, one, found.get(one)) for one in wanted]


def score_of(
    scheme: Scheme, as_of: date, citizen_id: UUID, row: Mapping[str, Any] | None
) -> Score:
    """A result from what `score_totals` gave for a citizen; nothing without records."""
    points = row["dimensions"] if row else {}
    return Score(
        citizen_id=citizen_id,
        as_of_on=as_of,
        total=row["total"] if row else 0,
        tier=row["tier"] if row else least_tier(scheme),
        dimensions={one.code: points.get(one.code, 0) for one in scheme.dimensions},
    )


def verify(*, as_of: date, first: UUID | None = None) -> list[WrongScore]:
    """Stored scores that are not what `score_totals` gives; empty when all is well.

    A few of them at each call, from `first` on, by default from somewhere else each time.
    """
    scheme = scheme_in_force(on=as_of)
    if scheme is None:
        return []
    parameters = score_parameters(scheme, as_of) | {
        "first": first or uuid4(), "limit": VERIFIED_AT_ONCE, "least_tier": least_tier(scheme),
    }
    with reading() as session:
        rows = session.execute(statement(scheme.subject, _VERIFY), parameters)
        return [WrongScore(*row) for row in rows]


def list_indicator_points(
    *, scheme: Scheme, as_of: date, citizen_ids: Iterable[UUID]
) -> list[IndicatorPoints]:
    """The points of every indicator that has records, for many citizens."""
    parameters = score_parameters(scheme, as_of) | {"citizens": list(citizen_ids)}
    with reading() as session:
        rows = session.execute(statement(scheme.subject, _INDICATORS), parameters).all()
    return [IndicatorPoints(row.citizen_id, row.indicator, row.points) for row in rows]


def score_parameters(scheme: Scheme, as_of: date) -> dict[str, object]:
    """What the SQL functions of the score are called with."""
    return {"as_of": as_of, "scheme": scheme.code, "version": scheme.version}


def least_tier(scheme: Scheme) -> str | None:
    """The tier of a total of zero, where a scheme has one."""
    return next((tier.code for tier in scheme.tiers if tier.least_total == 0), None)

"""Whom the trail says somebody touched, and what of them: for incidents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.kernel.database import reading

_TOUCHED: Final = text("""
    SELECT t.citizen_id, array_agg(DISTINCT t.action || coalesce(':' || f.name, '')) AS seen,
        count(DISTINCT t.trail_id) AS line_count, min(t.created_at) AS first_at,
        max(t.created_at) AS last_at
    FROM trail_entries t
    LEFT JOIN LATERAL unnest(t.fields) AS f (name) ON true
    WHERE t.created_at >= :since AND t.created_at < :until
        AND t.citizen_id BETWEEN :first AND :last
        AND (CAST(:actors AS uuid[]) IS NULL OR t.actor_id = ANY (CAST(:actors AS uuid[])))
        AND t.actor_kind <> 'citizen'
    GROUP BY t.citizen_id
    ORDER BY t.citizen_id
""")


@dataclass(frozen=True)
class Touched:
    """A person, what was seen (`action` or `action:field`, or `table:name`), how often and when."""

    citizen_id: UUID
    seen: tuple[str, ...]
    line_count: int
    first_at: datetime
    last_at: datetime


def list_touched(
    *, actors: Collection[UUID] | None, since: datetime, until: datetime, first: UUID, last: UUID
) -> list[Touched]:
    """Who was touched by these accounts (None: by anybody but themselves) within a time.

    Of the citizens whose ids are from `first` to `last`.
    """
    asked = {
        "actors": None if actors is None else list(actors), "since": since, "until": until,
        "first": first, "last": last,
    }
    with reading() as session:
        return [
            Touched(row.citizen_id, tuple(sorted(row.seen)), *row[2:])
            for row in session.execute(_TOUCHED, asked)
        ]

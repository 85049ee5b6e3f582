"""Reading the access trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.kernel.database import reading
from app.trail.models import TrailEntry


@dataclass(frozen=True)
class TrailLine:
    """One line of a citizen's trail; `actor_id` is None for the system itself."""

    trail_id: UUID
    actor_kind: str
    actor_id: UUID | None
    action: str
    fields: tuple[str, ...]
    reason: str
    basis: str
    created_at: datetime


def list_trail(*, citizen_id: UUID, limit: int, before: UUID | None = None) -> list[TrailLine]:
    """The newest lines of a citizen's trail; `before` is the last trail id of the page before."""
    query = (
        select(TrailEntry)
        .where(TrailEntry.citizen_id == citizen_id)
        .order_by(TrailEntry.trail_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(TrailEntry.trail_id < before)
    with reading() as session:
        return [_line(row) for row in session.scalars(query)]


def _line(row: TrailEntry) -> TrailLine:
    return TrailLine(
        trail_id=row.trail_id,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        action=row.action,
        fields=tuple(row.fields),
        reason=row.reason,
        basis=row.basis,
        created_at=row.created_at,
    )

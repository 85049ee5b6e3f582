"""Reading who left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, true

from app.kernel.database import reading
from app.rights.models import Leaving, LeavingReceipt


@dataclass(frozen=True)
class Departure:
    """Somebody's leaving and how far the erasure is."""

    citizen_id: UUID
    leaving_id: UUID
    left_at: datetime
    erase_by_at: datetime
    reduced_at: datetime | None
    erased_at: datetime | None


def find_leaving(*, leaving_id: UUID) -> Departure | None:
    """A leaving by the number on its receipt."""
    query = select(Leaving).join(
        LeavingReceipt, LeavingReceipt.citizen_id == Leaving.citizen_id
    ).where(LeavingReceipt.leaving_id == leaving_id)
    with reading() as session:
        row = session.scalars(query).one_or_none()
    return None if row is None else _departure(row)


def find_leaving_of(*, citizen_id: UUID) -> Departure | None:
    """The leaving of a citizen."""
    with reading() as session:
        row = session.get(Leaving, citizen_id)
    return None if row is None else _departure(row)


def list_unerased(*, limit: int, quiet_after: timedelta, is_journaled: bool) -> list[UUID]:
    """Whose erasure is due: not begun yet, or begun and ready to be ended; all `is_journaled`.

    The ones who owe something are looked at each time; they are few.
    """
    query = (
        select(Leaving.citizen_id)
        .where(
            Leaving.erased_at.is_(None),
            Leaving.journaled_at.is_not(None) if is_journaled else true(),
            or_(
                Leaving.reduced_at.is_(None),
                Leaving.left_at <= func.clock_timestamp() - quiet_after,
            ),
        )
        .order_by(Leaving.reduced_at.is_not(None), Leaving.left_at)
        .limit(limit)
    )
    with reading() as session:
        return list(session.scalars(query))


def list_unjournaled(*, limit: int) -> list[Departure]:
    """Those who left and are not in the journal yet, the first to leave first."""
    query = (
        select(Leaving)
        .where(Leaving.journaled_at.is_(None))
        .order_by(Leaving.left_at, Leaving.citizen_id)
        .limit(limit)
    )
    with reading() as session:
        return [_departure(row) for row in session.scalars(query)]


def erasure_state() -> dict[str, float]:
    """Gauges: erasures past their 72 hours, and leavings that the journal does not have yet."""
    late = func.count().filter(
        Leaving.erase_by_at < func.clock_timestamp(), Leaving.reduced_at.is_(None)
    )
    unjournaled = func.count().filter(Leaving.journaled_at.is_(None))
    with reading() as session:
        row = session.execute(
            select(late, unjournaled).where(Leaving.erased_at.is_(None))
        ).one()
    return {"erasures_late": float(row[0]), "leavings_unjournaled": float(row[1])}


def _departure(row: Leaving) -> Departure:
    return Departure(
        citizen_id=row.citizen_id, leaving_id=row.leaving_id, left_at=row.left_at,
        erase_by_at=row.erase_by_at, reduced_at=row.reduced_at, erased_at=row.erased_at,
    )

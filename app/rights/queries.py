"""Reading who left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, true

from app.kernel.database import reading
from app.rights.models import JournalEnd, Leaving, LeavingReceipt, PersonalCopy

COPIES_LISTED_MAX = 50


@dataclass(frozen=True)
class Departure:
    """Somebody's leaving and how far the erasure is."""

    citizen_id: UUID
    leaving_id: UUID
    left_at: datetime
    erase_by_at: datetime
    reduced_at: datetime | None
    erased_at: datetime | None


@dataclass(frozen=True)
class AskedCopy:
    """A copy that was asked for; `state` is asked, ready, taken or over."""

    copy_id: UUID
    is_beyond_free: bool
    asked_at: datetime
    expires_at: datetime
    state: str


@dataclass(frozen=True)
class JournalPlace:
    """A place in the deletion journal: after this line, which ends there and has this digest."""

    number: int
    digest: str
    end_bytes: int


def find_copy(*, citizen_id: UUID, copy_id: UUID) -> AskedCopy | None:
    """One copy of a citizen."""
    return next(
        (one for one in list_copies(citizen_id=citizen_id) if one.copy_id == copy_id), None
    )


def list_copies(*, citizen_id: UUID) -> list[AskedCopy]:
    """The last copies that a citizen asked for, the newest first."""
    query = (
        select(PersonalCopy, PersonalCopy.expires_at <= func.clock_timestamp())
        .where(PersonalCopy.citizen_id == citizen_id)
        .order_by(PersonalCopy.asked_at.desc())
        .limit(COPIES_LISTED_MAX)
        .execution_options(populate_existing=True)
    )
    with reading() as session:
        return [
            AskedCopy(
                copy_id=row.copy_id, is_beyond_free=row.is_beyond_free, asked_at=row.asked_at,
                expires_at=row.expires_at, state=_state(row, is_over=is_over),
            )
            for row, is_over in session.execute(query)
        ]


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


def who_left(citizen_ids: Collection[UUID]) -> set[UUID]:
    """Which of them have a leaving."""
    query = select(Leaving.citizen_id).where(Leaving.citizen_id.in_(citizen_ids))
    with reading() as session:
        return set(session.scalars(query))


def journal_end() -> JournalPlace | None:
    """Up to where everybody in the deletion journal has a leaving here; None: nothing is noted."""
    query = select(JournalEnd.number, JournalEnd.digest, JournalEnd.end_bytes)
    with reading() as session:
        row = session.execute(query).one_or_none()
    return None if row is None else JournalPlace(*row)


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


def _state(row: PersonalCopy, *, is_over: bool) -> str:
    if row.taken_at is not None:
        return "taken"
    if is_over:
        return "over"
    return "asked" if row.made_at is None else "ready"

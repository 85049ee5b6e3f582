"""Reading who left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, func, not_, or_, select, true

from app.kernel.database import reading
from app.rights.models import JournalEnd, Leaving, LeavingReceipt, PersonalCopy

COPIES_LISTED_MAX = 50
PERMISSION_ENDS_WITHIN = timedelta(hours=1)
GIVEN_UP_BEFORE = timedelta(hours=1)  # WeChat's silence makes no erasure late


@dataclass(frozen=True)
class Departure:
    """Somebody's leaving and how far the erasure is."""

    citizen_id: UUID
    leaving_id: UUID
    left_at: datetime
    erase_by_at: datetime
    permission_ended_at: datetime | None
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

    Who owes something, or whose permission at WeChat Pay may stand, keeps nobody else waiting.
    """
    moment = func.clock_timestamp()
    is_ready = and_(
        Leaving.left_at <= moment - quiet_after,
        or_(
            Leaving.permission_ended_at.is_not(None),
            Leaving.erase_by_at <= moment + GIVEN_UP_BEFORE,
        ),
        func.service_orders_settled(Leaving.citizen_id),
    )
    query = (
        select(Leaving.citizen_id)
        .where(
            Leaving.erased_at.is_(None),
            Leaving.journaled_at.is_not(None) if is_journaled else true(),
            or_(Leaving.reduced_at.is_(None), is_ready),
        )
        .order_by(Leaving.reduced_at.is_not(None), Leaving.left_at)
        .limit(limit)
    )
    with reading() as session:
        return list(session.scalars(query))


def list_permitting(*, limit: int) -> list[UUID]:
    """Those who left, whose permission at WeChat Pay may stand and can still be ended there."""
    query = (
        select(Leaving.citizen_id)
        .where(Leaving.permission_ended_at.is_(None), Leaving.erased_at.is_(None))
        .order_by(Leaving.left_at)
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
    """Gauges: erasures past their 72 hours, and what has not been done yet of those who left.

    Late: nothing is erased.  Unfinished: the key is still there.  Owing: it is needed to settle
    what was begun.  Permissions at WeChat Pay: those that may stand after an hour, and those that
    may stand for good, because WeChat did not answer within the 72 hours.
    """
    moment = func.clock_timestamp()
    is_over = Leaving.erase_by_at < moment
    is_settled = func.service_orders_settled(Leaving.citizen_id)
    may_permit = Leaving.permission_ended_at.is_(None)
    counted = {
        "erasures_late": and_(is_over, Leaving.reduced_at.is_(None)),
        "erasures_unfinished": and_(is_over, Leaving.reduced_at.is_not(None), is_settled),
        "erasures_owing": and_(is_over, Leaving.reduced_at.is_not(None), not_(is_settled)),
        "leavings_unjournaled": Leaving.journaled_at.is_(None),
        "permissions_late": and_(may_permit, Leaving.left_at < moment - PERMISSION_ENDS_WITHIN),
    }
    given_up = select(func.count()).where(
        may_permit, Leaving.erased_at.is_not(None),
        Leaving.channel != "restored",  # the lost database has told WeChat
    )
    query = select(*(func.count().filter(which) for which in counted.values()))
    with reading() as session:
        row = session.execute(query.where(Leaving.erased_at.is_(None))).one()
        state = dict(zip(counted, map(float, row), strict=True))
        return state | {"permissions_given_up": float(session.scalar(given_up) or 0)}


def _departure(row: Leaving) -> Departure:
    return Departure(
        citizen_id=row.citizen_id, leaving_id=row.leaving_id, left_at=row.left_at,
        erase_by_at=row.erase_by_at, permission_ended_at=row.permission_ended_at,
        reduced_at=row.reduced_at, erased_at=row.erased_at,
    )


def _state(row: PersonalCopy, *, is_over: bool) -> str:
    if row.taken_at is not None:
        return "taken"
    if is_over:
        return "over"
    return "asked" if row.made_at is None else "ready"

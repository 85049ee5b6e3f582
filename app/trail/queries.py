"""Reading the access trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from app.kernel.database import reading
from app.trail.models import BulkViewingAlarm, ImpactAssessment, TrailAct, TrailEntry

# What tells a receiver how a citizen stands: by these words the sharing log is read.
SHARING_ACTIONS = (
    "preview", "redeem", "redeem_offline", "sign_statement", "library_ask", "transit_entitlement",
    "transit_filed",
)
ASSESSMENT_KINDS = ("collecting", "scoring", "sensitive", "sharing")
IN_FORCE_DAYS_MAX = 731  # then somebody assesses again


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


@dataclass(frozen=True)
class ActLine:
    """One act of office; `actor_id` is None for the system itself."""

    act_id: UUID
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject: str
    reason: str
    basis: str
    created_at: datetime


@dataclass(frozen=True)
class Assessment:
    """An entry in the register of impact assessments; `document_hash` is SHA-256.

    `covers` names what may be done on its ground, beyond what names the assessment itself.
    """

    assessment_id: UUID
    kind: str
    title: str
    concluded_on: date
    document_hash: bytes
    summary: str
    covers: tuple[str, ...]
    in_force_until_on: date
    kept_until_on: date
    registered_by: UUID
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    created_at: datetime

    def is_in_force(self, *, on: date) -> bool:
        """Whether two people stand for it and its time is not over."""
        return self.confirmed_at is not None and on <= self.in_force_until_on


@dataclass(frozen=True)
class Alarm:
    """A staff account that was stopped after `view_count` unmasked views within an hour."""

    alarm_id: UUID
    staff_id: UUID
    view_count: int
    raised_at: datetime
    released_by: UUID | None
    released_at: datetime | None


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


def list_shares(*, citizen_id: UUID, since: datetime) -> list[TrailLine]:
    """Who was told how the citizen stands, from a moment on, the first one first.

    A statement was given to the citizen themselves, who may have passed it on.
    """
    query = (
        select(TrailEntry)
        .where(
            TrailEntry.citizen_id == citizen_id, TrailEntry.action.in_(SHARING_ACTIONS),
            TrailEntry.created_at >= since,
        )
        .order_by(TrailEntry.trail_id)
    )
    with reading() as session:
        return [_line(row) for row in session.scalars(query)]


def list_acts(*, subject: str) -> list[ActLine]:
    """What was done with a subject, oldest first."""
    query = select(TrailAct).where(TrailAct.subject == subject).order_by(TrailAct.act_id)
    with reading() as session:
        return [
            ActLine(
                row.act_id, row.actor_kind, row.actor_id, row.action, row.subject, row.reason,
                row.basis, row.created_at,
            )
            for row in session.scalars(query)
        ]


def find_assessment(*, assessment_id: UUID) -> Assessment | None:
    """An assessment by its id."""
    with reading() as session:
        row = session.get(ImpactAssessment, assessment_id)
    return None if row is None else _assessment(row)


def list_assessments() -> list[Assessment]:
    """The register, newest first."""
    query = select(ImpactAssessment).order_by(ImpactAssessment.assessment_id.desc())
    with reading() as session:
        return [_assessment(row) for row in session.scalars(query)]


def list_confirmed_assessments() -> list[Assessment]:
    """What everybody may know of: the assessments that two people stand for, newest first."""
    return [one for one in list_assessments() if one.confirmed_at is not None]


def list_alarms(*, limit: int) -> list[Alarm]:
    """Accounts that were stopped for bulk viewing: the open ones first, then the latest."""
    query = (
        select(BulkViewingAlarm)
        .order_by(
            BulkViewingAlarm.released_at.is_not(None), BulkViewingAlarm.raised_at.desc()
        )
        .limit(limit)
    )
    with reading() as session:
        return [alarm_of(row) for row in session.scalars(query)]


def alarm_state() -> dict[str, float]:
    """Gauge: accounts that are stopped for bulk viewing."""
    count = select(func.count()).where(BulkViewingAlarm.released_at.is_(None))
    with reading() as session:
        return {"bulk_viewing_alarms_open": float(session.scalar(count) or 0)}


def alarm_of(row: BulkViewingAlarm) -> Alarm:
    """The row as others may hold it."""
    return Alarm(
        row.alarm_id, row.staff_id, row.view_count, row.raised_at, row.released_by,
        row.released_at,
    )


def _assessment(row: ImpactAssessment) -> Assessment:
    return Assessment(
        row.assessment_id, row.kind, row.title, row.concluded_on, bytes(row.document_hash),
        row.summary or "", tuple(row.covers or ()),
        row.in_force_until_on or row.concluded_on + timedelta(days=IN_FORCE_DAYS_MAX),
        row.kept_until_on, row.registered_by, row.confirmed_by, row.confirmed_at, row.created_at,
    )


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

"""Reading the versions of schemes: drafts, announced ones, the one in force, past ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading
from app.records.queries import current_day
from app.scoring.models import (
    SchemeDecision,
    SchemeDryRun,
    SchemeNotice,
    SchemeProposal,
    SchemeVersion,
)

DRAFT, PROPOSED, WITHDRAWN = "draft", "proposed", "withdrawn"
ANNOUNCED, IN_FORCE, PAST = "announced", "in_force", "past"
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
RUN_STATES = (WAITING, RUNNING, DONE, FAILED)
GIVEN_UP = timedelta(days=1)  # so long a dry run is taken up again after its worker died
STATES = (DRAFT, PROPOSED, WITHDRAWN, ANNOUNCED, IN_FORCE, PAST)


@dataclass(frozen=True, order=True)
class VersionName:
    """Which version of which scheme."""

    code: str
    version: str


@dataclass(frozen=True)
class SchemeState:
    """A version and where it stands.

    `draft` is known to operators alone; `proposed` has its public notice and no decision yet;
    `announced` is activated for a day to come.
    """

    name: VersionName
    state: str
    effective_on: date
    content_hash: bytes
    document: str
    notice: str | None
    notice_published_on: date | None
    assessment_id: UUID | None
    proposed_by: UUID | None
    decided_by: UUID | None

    @property
    def is_public(self) -> bool:
        """Whether everybody may know of it: from its notice on, or because it was activated."""
        return self.notice is not None or self.state in {ANNOUNCED, IN_FORCE, PAST}


@dataclass(frozen=True)
class DryRun:
    """What a version would do to everybody on its first day; `figures` when it is done.

    `failed`: it did not end within a day; another one may be asked for.
    """

    dry_run_id: UUID
    name: VersionName
    content_hash: bytes
    base: VersionName | None
    as_of_on: date
    assessment_id: UUID
    requested_by: UUID
    reason: str
    slice_count: int
    slices_done: int
    figures: dict[str, Any] | None
    started_at: datetime | None
    ended_at: datetime | None
    state: str


def list_versions() -> list[SchemeState]:
    """Every version there is, in the order of their dates."""
    with reading() as session:
        rows: list[Any] = [tuple(row) for row in session.execute(_VERSIONS)]
        today = current_day()
    begun = [
        decision.effective_on for _, _, _, decision in rows
        if decision and decision.decision == "activated" and decision.effective_on <= today
    ]
    return [_state(*row, in_force_since=max(begun, default=today), today=today) for row in rows]


def find_version(*, name: VersionName) -> SchemeState | None:
    """One version."""
    return next((one for one in list_versions() if one.name == name), None)


def last_activated() -> SchemeState | None:
    """The version that applies after all others: in force or announced."""
    activated = [one for one in list_versions() if one.state in {ANNOUNCED, IN_FORCE, PAST}]
    return activated[-1] if activated else None


def next_effective_on() -> date | None:
    """The day from which rules apply that are announced and not in force yet."""
    query = select(func.min(SchemeDecision.effective_on)).where(
        SchemeDecision.decision == "activated", SchemeDecision.effective_on > CITY_TODAY
    )
    with reading() as session:
        return session.scalar(query)


def find_dry_run(*, dry_run_id: UUID) -> DryRun | None:
    """A dry run by its id."""
    with reading() as session:
        row = session.get(SchemeDryRun, dry_run_id, populate_existing=True)
        return None if row is None else _dry_run(row, now=_now(session))


def list_dry_runs(*, name: VersionName) -> list[DryRun]:
    """The dry runs of a version, newest first."""
    query = (
        select(SchemeDryRun)
        .where(SchemeDryRun.scheme_code == name.code, SchemeDryRun.version == name.version)
        .order_by(SchemeDryRun.created_at.desc(), SchemeDryRun.dry_run_id.desc())
    )
    with reading() as session:
        now = _now(session)
        return [_dry_run(row, now=now) for row in session.scalars(query)]


def unfinished_dry_runs() -> list[UUID]:
    """The dry runs that somebody still waits for, the oldest first."""
    query = (
        select(SchemeDryRun.dry_run_id)
        .where(SchemeDryRun.ended_at.is_(None), SchemeDryRun.created_at > func.now() - GIVEN_UP)
        .order_by(SchemeDryRun.created_at)
    )
    with reading() as session:
        return list(session.scalars(query))


def _of_version(table: Any) -> Any:
    return and_(
        table.scheme_code == SchemeVersion.scheme_code, table.version == SchemeVersion.version
    )


_VERSIONS = (
    select(SchemeVersion, SchemeProposal, SchemeNotice, SchemeDecision)
    .outerjoin(SchemeProposal, _of_version(SchemeProposal))
    .outerjoin(SchemeNotice, _of_version(SchemeNotice))
    .outerjoin(SchemeDecision, _of_version(SchemeDecision))
    .order_by(SchemeVersion.effective_on, SchemeVersion.scheme_code, SchemeVersion.version)
)


def _state(
    version: SchemeVersion,
    proposal: SchemeProposal | None,
    notice: SchemeNotice | None,
    decision: SchemeDecision | None,
    *,
    in_force_since: date,
    today: date,
) -> SchemeState:
    state = PROPOSED if notice else DRAFT
    if decision:
        state = WITHDRAWN
        if decision.decision == "activated":
            state = IN_FORCE if decision.effective_on == in_force_since else PAST
            state = ANNOUNCED if decision.effective_on > today else state
    return SchemeState(
        name=VersionName(version.scheme_code, version.version),
        state=state,
        effective_on=version.effective_on,
        content_hash=bytes(version.content_hash),
        document=version.document,
        notice=notice.notice if notice else None,
        notice_published_on=notice.published_on if notice else None,
        assessment_id=proposal.assessment_id if proposal else None,
        proposed_by=proposal.proposed_by if proposal else None,
        decided_by=decision.decided_by if decision else None,
    )


def _now(session: Session) -> datetime:
    return session.execute(select(func.now())).scalar_one()


def _dry_run(row: SchemeDryRun, *, now: datetime) -> DryRun:
    base = None
    if row.base_code is not None and row.base_version is not None:
        base = VersionName(row.base_code, row.base_version)
    return DryRun(
        dry_run_id=row.dry_run_id,
        name=VersionName(row.scheme_code, row.version),
        content_hash=bytes(row.content_hash),
        base=base,
        as_of_on=row.as_of_on,
        assessment_id=row.assessment_id,
        requested_by=row.requested_by,
        reason=row.reason,
        slice_count=row.slice_count,
        slices_done=row.slices_done,
        figures=row.figures,
        started_at=row.started_at,
        ended_at=row.ended_at,
        state=_state_of_run(row, now),
    )


def _state_of_run(row: SchemeDryRun, now: datetime) -> str:
    if row.ended_at is not None:
        return DONE
    if now - row.created_at > GIVEN_UP:
        return FAILED
    return WAITING if row.started_at is None else RUNNING

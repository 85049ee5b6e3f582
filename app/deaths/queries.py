"""Reading deaths: what waits for an operator, and whole reports and applications for a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.deaths.models import DeathPaper, DeathReport, RelativeApplication
from app.deaths.sealing import APPLICATIONS, REPORTS, data_key, open_text
from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading
from app.kernel.keys import Key, KeyProvider
from app.members.queries import find_masked_profile, names_of_actors
from app.objections.queries import Attachment

REPORTED = "reported"
CONFIRMED = "confirmed"
DECIDED = "decided"


@dataclass(frozen=True)
class ReportLine:
    """A report in a list: nothing about the person."""

    report_id: UUID
    state: str
    evidence: str
    reported_at: datetime
    decided_at: datetime | None
    reversible_until_on: date | None
    final_on: date | None
    ended_at: datetime | None


@dataclass(frozen=True)
class ApplicationLine:
    """An application in a list: nothing about persons."""

    application_id: UUID
    report_id: UUID
    relation: str
    wish: str
    state: str
    outcome: str | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class WholeReport:
    """A report with what a second person looks at; name and number of the dead are masked."""

    line: ReportLine
    name: str = field(repr=False)
    id_number: str = field(repr=False)
    died_on: date
    reported_by: str | None
    decided_by: str | None
    papers: tuple[Attachment, ...]
    applications: tuple[ApplicationLine, ...]


@dataclass(frozen=True)
class Relative:
    """Who asks."""

    name: str = field(repr=False)
    id_number: str = field(repr=False)
    phone: str | None = field(repr=False)


@dataclass(frozen=True)
class WholeApplication:
    """An application with what was written and who proposed and confirmed what."""

    line: ApplicationLine
    relative: Relative
    interest: str
    record_type: str | None
    record_number: str | None
    reasons: str | None
    proposed_by: str | None
    confirmed_by: str | None
    papers: tuple[Attachment, ...]


def find_report(session: Session, report_id: UUID) -> DeathReport | None:
    """A report by its id alone, locked until the end of the transaction."""
    query = select(DeathReport).where(DeathReport.report_id == report_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).first()


def find_standing(session: Session, citizen_id: UUID) -> DeathReport | None:
    """The report of a person's death that stands, locked."""
    query = select(DeathReport).where(
        DeathReport.citizen_id == citizen_id, DeathReport.state.in_((REPORTED, CONFIRMED))
    )
    query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).first()


def find_application(session: Session, application_id: UUID) -> RelativeApplication | None:
    """An application by its id alone, locked until the end of the transaction."""
    query = select(RelativeApplication).where(RelativeApplication.application_id == application_id)
    query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).first()


def list_reports(*, state: str, limit: int) -> list[ReportLine]:
    """Reports that wait (`reported`) or stand (`confirmed`), the oldest first."""
    query = (
        select(DeathReport)
        .where(DeathReport.state == state)
        .order_by(DeathReport.reported_at, DeathReport.report_id)
        .limit(limit)
    )
    with reading() as session:
        return [line_of(row) for row in session.scalars(query)]


def list_applications(*, limit: int) -> list[ApplicationLine]:
    """Applications that are not decided, the oldest first."""
    query = (
        select(RelativeApplication)
        .where(RelativeApplication.state != DECIDED)
        .order_by(RelativeApplication.application_id)
        .limit(limit)
    )
    with reading() as session:
        return [application_line(row) for row in session.scalars(query)]


def list_final(*, limit: int) -> list[UUID]:
    """The reports whose day has come, with no application that is not decided."""
    waiting = exists().where(
        RelativeApplication.citizen_id == DeathReport.citizen_id,
        RelativeApplication.state != DECIDED,
    )
    query = (
        select(DeathReport.report_id)
        .where(DeathReport.state == CONFIRMED, DeathReport.final_on <= CITY_TODAY, ~waiting)
        .order_by(DeathReport.final_on)
        .limit(limit)
    )
    with reading() as session:
        return list(session.scalars(query))


def count_open(session: Session, citizen_id: UUID) -> int:
    """Applications about a person that are not decided."""
    query = select(func.count()).select_from(RelativeApplication).where(
        RelativeApplication.citizen_id == citizen_id, RelativeApplication.state != DECIDED
    )
    return session.scalar(query) or 0


def list_papers(
    session: Session, report: DeathReport, application_id: UUID | None = None
) -> list[Attachment]:
    """The files beside a report, or beside one application about it."""
    query = (
        select(DeathPaper)
        .where(
            DeathPaper.citizen_id == report.citizen_id, DeathPaper.report_id == report.report_id,
            DeathPaper.application_id.is_not_distinct_from(application_id),
        )
        .order_by(DeathPaper.paper_id)
    )
    return [
        Attachment(one.paper_id, one.media_type, one.size_bytes)
        for one in session.scalars(query)
    ]


def read_report(session: Session, keys: KeyProvider, row: DeathReport) -> WholeReport:
    """A report with everything that belongs to it."""
    key = data_key(keys, row.citizen_id)
    profile = find_masked_profile(keys=keys, citizen_id=row.citizen_id)
    assert profile is not None, "who has a report has a profile until both are erased"
    names = names_of_actors(
        actor_ids={one for one in (row.reported_by, row.decided_by) if one is not None}
    )
    query = (
        select(RelativeApplication)
        .where(
            RelativeApplication.citizen_id == row.citizen_id,
            RelativeApplication.report_id == row.report_id,
        )
        .order_by(RelativeApplication.application_id)
    )
    return WholeReport(
        line=line_of(row), name=profile.name, id_number=profile.id_number,
        died_on=died_on(key, row), reported_by=names.get(row.reported_by),
        decided_by=None if row.decided_by is None else names.get(row.decided_by),
        papers=tuple(list_papers(session, row)),
        applications=tuple(application_line(one) for one in session.scalars(query)),
    )


def read_application(
    session: Session, key: Key, report: DeathReport, row: RelativeApplication
) -> WholeApplication:
    """An application with everything that belongs to it, opened with the dead person's key."""
    names = names_of_actors(
        actor_ids={one for one in (row.proposed_by, row.confirmed_by) if one is not None}
    )
    return WholeApplication(
        line=application_line(row), relative=relative_of(key, row),
        interest=opened(key, row, "interest_sealed"),
        record_type=row.record_type, record_number=row.record_number,
        reasons=None if row.reasons_sealed is None else opened(key, row, "reasons_sealed"),
        proposed_by=None if row.proposed_by is None else names.get(row.proposed_by),
        confirmed_by=None if row.confirmed_by is None else names.get(row.confirmed_by),
        papers=tuple(list_papers(session, report, row.application_id)),
    )


def died_on(key: Key, row: DeathReport) -> date:
    """The day of the death."""
    plain = open_text(
        key, row.died_on_sealed, table=REPORTS, column="died_on_sealed", row_id=row.report_id
    )
    return date.fromisoformat(plain)


def relative_of(key: Key, row: RelativeApplication) -> Relative:
    """Who asks."""
    return Relative(**orjson.loads(opened(key, row, "relative_sealed")))


def opened(key: Key, row: RelativeApplication, column: str) -> str:
    """What stands in a sealed column of an application."""
    return open_text(
        key, getattr(row, column), table=APPLICATIONS, column=column, row_id=row.application_id
    )


def line_of(row: DeathReport) -> ReportLine:
    """A report without anything about the person."""
    return ReportLine(
        report_id=row.report_id, state=row.state, evidence=row.evidence,
        reported_at=row.reported_at, decided_at=row.decided_at,
        reversible_until_on=row.reversible_until_on, final_on=row.final_on, ended_at=row.ended_at,
    )


def application_line(row: RelativeApplication) -> ApplicationLine:
    """An application without anything about persons."""
    return ApplicationLine(
        application_id=row.application_id, report_id=row.report_id, relation=row.relation,
        wish=row.wish, state=row.state, outcome=row.outcome, created_at=row.created_at,
        decided_at=row.decided_at,
    )

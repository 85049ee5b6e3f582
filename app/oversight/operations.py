"""How groups of members fare (R13): asked for by an operator, computed by a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import func, insert, select, text, update

from app.kernel import outbox
from app.kernel.clock import city_today
from app.kernel.database import alone, reading, transaction
from app.kernel.errors import IdReused, Invalid, NotFound
from app.kernel.ids import id_slices
from app.kernel.keys import KeyProvider
from app.members.classes import open_coarse_classes
from app.oversight.models import FairnessReport
from app.oversight.served import people_served
from app.oversight.shares import Shares
from app.scoring.figures import tier_order
from app.scoring.queries import scheme_in_force
from app.trail.assessments import require_assessment
from app.trail.operations import Actor, record_act, require_reason

FAIRNESS_TOPIC = "fairness_report"
SLICES = 64
DAYS_MAX = 3 * 366
GIVEN_UP = timedelta(days=1)  # so long a report is taken up again after its worker died
_TIERS = text("""
    SELECT s.citizen_id, s.tier FROM score_standings s
    WHERE s.citizen_id BETWEEN :first AND :last AND s.tier IS NOT NULL
""")


class FairnessReportUnknown(NotFound):
    """There is no such report."""

    code: ClassVar[str] = "fairness_report_unknown"
    title: ClassVar[str] = "There is no such fairness report"
    advice: ClassVar[str] = "没有找到该公平性报告。"


class ReportDaysUnfit(Invalid):
    """A report is about days that have begun, in their order, three years at most."""

    code: ClassVar[str] = "report_days_unfit"
    title: ClassVar[str] = "The days of the report do not fit"
    advice: ClassVar[str] = "请检查起止日期：起始不晚于截止，截止不晚于今天，最长三年。"


@dataclass(frozen=True)
class NewReport:
    """What is asked for: benefits used from one day to another, both included; tiers of now."""

    report_id: UUID
    from_on: date
    to_on: date
    assessment_id: UUID


@dataclass(frozen=True)
class Report:
    """A report and how far it is; `figures` when it is done."""

    report_id: UUID
    from_on: date
    to_on: date
    assessment_id: UUID
    requested_by: UUID
    reason: str
    slice_count: int
    slices_done: int
    figures: dict[str, Any] | None
    ended_at: datetime | None
    created_at: datetime


def request_report(*, report: NewReport, operator_id: UUID, reason: str) -> Report:
    """Ask for a report; a worker computes it.  The same again changes nothing.

    ReportDaysUnfit; AssessmentMissing without a registered assessment of scoring, for the classes
    of everybody are opened; IdReused when the id has other contents.
    """
    reason = require_reason(reason)
    with transaction() as session:
        require_days(from_on=report.from_on, to_on=report.to_on, today=city_today(session))
        require_assessment(assessment_id=report.assessment_id, kind="scoring")
        known = session.get(FairnessReport, report.report_id)
        if known is not None and any(
            getattr(known, name) != value for name, value in vars(report).items()
        ):
            raise IdReused
        if known is None:
            session.execute(insert(FairnessReport).values(
                **vars(report), requested_by=operator_id, reason=reason, slice_count=SLICES,
            ))
            record_act(
                actor=Actor("operator", operator_id), action="fairness_report_requested",
                subject=_subject(report.report_id), reason=reason,
                basis=f"impact assessment {report.assessment_id}",
            )
            # Messages are spread by an id; this one belongs to no citizen.
            outbox.put(citizen_id=report.report_id, topic=FAIRNESS_TOPIC, payload={})
    return show_report(report_id=report.report_id)


def require_days(*, from_on: date, to_on: date, today: date) -> None:
    """ReportDaysUnfit unless these days are in order, not too many and none is still to come."""
    if not from_on <= to_on <= today or (to_on - from_on).days > DAYS_MAX:
        raise ReportDaysUnfit


def show_report(*, report_id: UUID) -> Report:
    """A report and how far it is; FairnessReportUnknown."""
    with reading() as session:
        row = session.get(FairnessReport, report_id, populate_existing=True)
        if row is None:
            raise FairnessReportUnknown
        return Report(**{name: getattr(row, name) for name in Report.__dataclass_fields__})


def list_reports() -> list[Report]:
    """The hundred newest reports, the newest first."""
    query = select(FairnessReport.report_id).order_by(FairnessReport.report_id.desc()).limit(100)
    with reading() as session:
        ids = list(session.scalars(query))
    return [show_report(report_id=one) for one in ids]


def carry_out_report(*, keys: KeyProvider, report_id: UUID) -> None:
    """Compute a report that was asked for, from its beginning; one that has ended stays."""
    with alone(f"fairness report {report_id}") as is_alone:
        report = show_report(report_id=report_id)
        if report.ended_at is not None or not is_alone:
            return
        shares = count_shares(keys=keys, report=report)
        _update(report, figures=shares.protected(), ended_at=func.now())


def count_shares(*, keys: KeyProvider, report: Report) -> Shares:
    """Everybody by group, counted exactly: not for showing."""
    shares = Shares(tiers=tier_order(scheme_in_force(on=report.to_on)))
    slices = id_slices(report.slice_count)
    classes = open_coarse_classes(
        keys=keys, slices=slices, on=report.to_on, actor=Actor("operator", report.requested_by),
        subject=_subject(report.report_id), reason=report.reason,
        assessment_id=report.assessment_id,
    )
    for done, ((first, last), people) in enumerate(zip(slices, classes, strict=True), start=1):
        with reading() as session:
            standings = session.execute(_TIERS, {"first": first, "last": last}).all()
        served = people_served(
            first=first, last=last, from_on=report.from_on, to_on=report.to_on
        )
        shares.add(people, tiers=dict(map(tuple, standings)), served=served)
        _update(report, slices_done=done)
    return shares


def resume_reports(*, keys: KeyProvider) -> None:
    """Compute the reports that nobody is at: their worker died, or gave up."""
    query = select(FairnessReport.report_id).where(
        FairnessReport.ended_at.is_(None),
        FairnessReport.created_at > func.now() - GIVEN_UP,
    )
    with reading() as session:
        waiting = list(session.scalars(query.order_by(FairnessReport.report_id)))
    for report_id in waiting:
        carry_out_report(keys=keys, report_id=report_id)


def _update(report: Report, **values: object) -> None:
    with transaction() as session:
        session.execute(
            update(FairnessReport)
            .where(FairnessReport.report_id == report.report_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _subject(report_id: UUID) -> str:
    return f"fairness report {report_id}"

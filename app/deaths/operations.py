"""A death is reported by one operator and confirmed by a second; what was wrong is reversed.

Confirmed, everything ends at once that is done with the person's data; nothing is taken away that
would have to be given back: the membership rests.  On its last day what was kept is deleted as for
somebody who leaves, and what is left of the points ends by an entry of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.counter.notices import RESTING, tell
from app.counter.presence import Present, require_present
from app.deaths import queries, refusals
from app.deaths.arrangements import lock_dead
from app.deaths.models import DeathReport, RelativeApplication
from app.deaths.queries import CONFIRMED, DECIDED, REPORTED, ReportLine, WholeReport
from app.deaths.sealing import REPORTS, data_key, seal_text
from app.deaths.terms import Terms
from app.kernel.clock import city_today
from app.kernel.database import transaction
from app.kernel.errors import IdReused, refusal
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.ledger import operations as ledger
from app.ledger.queries import balance, expired_points
from app.members import operations as members
from app.members.queries import is_active
from app.members.resting import rest_membership, resume_membership
from app.records.queries import current_day
from app.repairs.endings import tell_receivers
from app.rights import copies, leaving
from app.scoring.operations import refresh_citizens
from app.scoring.queries import scheme_in_force
from app.service_orders import leaving as orders
from app.service_orders.acts import clock
from app.trail.operations import SYSTEM, Actor, SecondPersonNeeded, record_access, require_reason

OPERATOR: Final = "operator"
RETURNED_FOR: Final = timedelta(days=30)  # at least, points that expired while the card rested


@dataclass(frozen=True)
class Death:
    """What an operator reports, and what kind of paper says so."""

    died_on: date
    evidence: str


def report_death(
    *, keys: KeyProvider, operator_id: UUID, report_id: UUID, person: Present, death: Death
) -> ReportLine:
    """Report the death of a member whose identity card was handed in; nothing ends yet.

    The same id again gives the report that there is.  Refuses what `require_present` refuses,
    `card_inactive`, `death_day_ahead`, `death_report_pending`, IdReused.
    """
    citizen_id, reason = require_present(keys=keys, operator_id=operator_id, person=person)
    with transaction() as session:
        lock_dead(session, citizen_id)
        row = session.get(DeathReport, (citizen_id, report_id), populate_existing=True)
        if row is None:
            _require_reportable(session, citizen_id, death)
            row = _new(keys, citizen_id, report_id, operator_id, death)
            session.add(row)
            session.flush()
            session.refresh(row)
            record_access(
                citizen_id=citizen_id, actor=Actor(OPERATOR, operator_id),
                action="death_reported", reason=reason, basis="relatives",
            )
        elif _said(keys, row) != death:
            raise IdReused
        return queries.line_of(row)


def open_report(
    *, keys: KeyProvider, operator_id: UUID, report_id: UUID, reason: str
) -> WholeReport:
    """All of a report, for a reason that stays in the trail.  DeathReportUnknown."""
    reason = require_reason(reason)
    with transaction() as session:
        row = require_report(session, report_id)
        record_access(
            citizen_id=row.citizen_id, actor=Actor(OPERATOR, operator_id),
            action="death_report_read", reason=reason, basis="relatives",
        )
        return queries.read_report(session, keys, row)


def decide_report(
    *, keys: KeyProvider, terms: Terms, operator_id: UUID, report_id: UUID, is_confirmed: bool,
    totp: str,
) -> ReportLine:
    """The second person's word on a report; confirmed, the membership rests when this returns.

    Refuses `second_factor_refused`, `death_report_unknown`, `death_report_decided`,
    `second_person_needed`, `death_evidence_missing`.
    """
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=totp)
    with transaction() as session:
        row = require_report(session, report_id)
        if row.state != REPORTED:
            raise refusals.DeathReportDecided
        if row.reported_by == operator_id:
            raise SecondPersonNeeded
        if is_confirmed and not queries.list_papers(session, row):
            raise refusals.DeathEvidenceMissing
        moment, today = clock(session), city_today(session)
        row.decided_by, row.decided_at = operator_id, moment
        row.state = CONFIRMED if is_confirmed else "refused"
        if is_confirmed:
            row.reversible_until_on = terms.reversible_until_on(today)
            row.final_on = terms.final_on(today)
            _let_rest(row.citizen_id, today)
        session.flush()
        record_access(
            citizen_id=row.citizen_id, actor=Actor(OPERATOR, operator_id),
            action="death_confirmed" if is_confirmed else "death_refused", basis="relatives",
        )
        return queries.line_of(row)


def reverse_report(*, keys: KeyProvider, operator_id: UUID, person: Present) -> ReportLine:
    """The person lives and stands at the counter: everything goes on as it was, at once.

    Points that expired meanwhile are granted anew.  Nobody else has to agree.  Refuses what
    `require_present` refuses, `death_not_reported`.
    """
    citizen_id, reason = require_present(keys=keys, operator_id=operator_id, person=person)
    with transaction() as session:
        lock_dead(session, citizen_id)
        row = queries.find_standing(session, citizen_id)
        if row is None:
            raise refusals.DeathNotReported
        moment = clock(session)
        if row.state == CONFIRMED:
            resume_membership(citizen_id=citizen_id)
            if scheme_in_force(on=current_day()) is not None:  # rules may have changed meanwhile
                refresh_citizens(citizen_ids=[citizen_id])
            _give_back_points(session, row)
            copies.cancel_copies(citizen_id=citizen_id)
            _close_applications(session, row)
        row.decided_by, row.decided_at = row.decided_by or operator_id, row.decided_at or moment
        row.state, row.ended_by, row.ended_at = "reversed", operator_id, moment
        session.flush()
        record_access(
            citizen_id=citizen_id, actor=Actor(OPERATOR, operator_id),
            action="death_reversed", reason=reason, basis="request",
        )
        return queries.line_of(row)


def end_due(*, limit: int) -> int:
    """For the job: let those go whose last day has come, up to `limit`; how many."""
    due = queries.list_final(limit=limit)
    return sum(_end(report_id) for report_id in due)


def require_report(session: Session, report_id: UUID) -> DeathReport:
    """A report, locked, with everything about its person.  DeathReportUnknown."""
    found = session.scalar(
        select(DeathReport.citizen_id).where(DeathReport.report_id == report_id)
    )
    if found is not None:
        lock_dead(session, found)
    row = queries.find_report(session, report_id)
    if row is None:
        raise refusals.DeathReportUnknown
    return row


def _require_reportable(session: Session, citizen_id: UUID, death: Death) -> None:
    if death.died_on > city_today(session):
        raise refusals.DeathDayAhead
    if queries.find_standing(session, citizen_id) is not None:
        raise refusals.DeathReportPending
    if not is_active(citizen_id=citizen_id):
        raise refusal("card_inactive")


def _new(
    keys: KeyProvider, citizen_id: UUID, report_id: UUID, operator_id: UUID, death: Death
) -> DeathReport:
    sealed = seal_text(
        data_key(keys, citizen_id), death.died_on.isoformat(),
        table=REPORTS, column="died_on_sealed", row_id=report_id,
    )
    return DeathReport(
        citizen_id=citizen_id, report_id=report_id, died_on_sealed=sealed,
        evidence=death.evidence, reported_by=operator_id,
    )


def _said(keys: KeyProvider, row: DeathReport) -> Death:
    return Death(queries.died_on(data_key(keys, row.citizen_id), row), row.evidence)


def _let_rest(citizen_id: UUID, today: date) -> None:
    """End at once what is done with a person's data, and tell who was told how they stood."""
    rest_membership(citizen_id=citizen_id)
    orders.cancel_unstarted(citizen_id=citizen_id)
    orders.end_permission(citizen_id=citizen_id)
    tell_receivers(citizen_id=citizen_id, ended_on=today)
    tell(citizen_id=citizen_id, what=RESTING)  # to a living person it says that something is wrong


def _give_back_points(session: Session, row: DeathReport) -> None:
    """What expired while nobody could use it counts again, for as long as the card rested."""
    assert row.decided_at is not None, "a confirmed report was decided"
    expired = expired_points(citizen_id=row.citizen_id, since=row.decided_at)
    if not expired:
        return
    now = clock(session)
    granted = ledger.grant(
        citizen_id=row.citizen_id, transfer_id=new_id(), amount_points=expired,
        expires_on=city_today(session) + max(RETURNED_FOR, now - row.decided_at),
        reason="death_reversed",
    )
    granted.require_accepted()


def _close_applications(session: Session, row: DeathReport) -> None:
    """What relatives asked for and did not get yet has no ground any more."""
    moment = clock(session)
    query = select(RelativeApplication).where(
        RelativeApplication.citizen_id == row.citizen_id,
        RelativeApplication.report_id == row.report_id, RelativeApplication.state != DECIDED,
    )
    for open_one in session.scalars(query.with_for_update()):
        open_one.state, open_one.outcome, open_one.decided_at = DECIDED, "moot", moment
        open_one.proposed_by, open_one.reasons_sealed = None, None


def _end(report_id: UUID) -> bool:
    """Let one go for good: what is left of the points ends by an entry, the rest is deleted."""
    with transaction() as session:
        row = require_report(session, report_id)
        today = city_today(session)
        assert row.final_on is not None, "a report on the list is confirmed"
        if row.state != CONFIRMED or row.final_on > today:
            return False  # reversed, or made longer, a moment ago
        if queries.count_open(session, row.citizen_id):
            return False
        leaving.let_go(citizen_id=row.citizen_id)
        left = balance(citizen_id=row.citizen_id).available_points
        if left:
            ledger.spend(
                citizen_id=row.citizen_id, transfer_id=new_id(), amount_points=left, reason="death"
            ).require_accepted()
        row.state, row.ended_at = "ended", func.clock_timestamp()
        session.flush()
        record_access(
            citizen_id=row.citizen_id, actor=SYSTEM, action="death_ended", basis="relatives"
        )
    return True

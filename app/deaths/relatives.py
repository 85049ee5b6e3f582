"""What near relatives ask for about somebody who has died: a copy, a correction, the deletion.

For lawful interests of their own, and where the dead arranged nothing else (PIPL art. 49).  One
operator takes the application in, one proposes the decision, another confirms it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.deaths import queries, refusals
from app.deaths.arrangements import may_ask
from app.deaths.models import DeathReport, RelativeApplication
from app.deaths.operations import OPERATOR, require_report
from app.deaths.queries import (
    CONFIRMED,
    DECIDED,
    ApplicationLine,
    Relative,
    WholeApplication,
    application_line,
    opened,
    relative_of,
)
from app.deaths.sealing import APPLICATIONS, data_key, seal_text
from app.deaths.terms import Terms
from app.deaths.words import COPY, CORRECTION, DELETION, GRANTED
from app.kernel.clock import city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import IdReused, refusal
from app.kernel.ids import new_id
from app.kernel.keys import Key, KeyProvider
from app.members import operations as members
from app.members.id_numbers import parse_id_number
from app.members.spelling import parse_name, parse_phone
from app.records.origins import find_latest_version
from app.rights import copies
from app.scoring.voiding import void_record
from app.trail.operations import Actor, SecondPersonNeeded, record_access, require_reason

OPEN_MAX: Final = 10  # about one person


@dataclass(frozen=True)
class Application:
    """Who asks for what, and out of which interest; a correction names the record."""

    relation: str
    wish: str
    name: str = field(repr=False)
    id_number: str = field(repr=False)
    interest: str = field(repr=False)
    phone: str | None = field(repr=False, default=None)
    record_type: str | None = None
    record_number: str | None = None


def apply_as_relative(
    *, keys: KeyProvider, operator_id: UUID, report_id: UUID, application_id: UUID,
    application: Application, reason: str, totp: str,
) -> ApplicationLine:
    """Take in what a relative asks for, who stands at the counter with the identity card.

    The same id again gives the application that there is.  Refuses `reason_needed`,
    `second_factor_refused`, `name_invalid`, `id_number_invalid`, `phone_invalid`,
    `death_report_unknown`, `death_unconfirmed`, `record_not_held`,
    `relative_applications_too_many`, IdReused.
    """
    reason = require_reason(reason)
    application = _in_canonical_form(application)
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=totp)
    with transaction() as session:
        report = require_report(session, report_id)
        key = data_key(keys, report.citizen_id)
        row = session.get(RelativeApplication, (report.citizen_id, application_id))
        if row is None:
            _require_heard(session, report, application)
            row = _new(key, report, application_id, application)
            session.add(row)
            session.flush()
            record_access(
                citizen_id=report.citizen_id, actor=Actor(OPERATOR, operator_id),
                action="relative_applied", reason=reason, basis="relatives",
            )
        elif row.report_id != report_id or _said(key, row) != application:
            raise IdReused
        return application_line(row)


def open_application(
    *, keys: KeyProvider, operator_id: UUID, application_id: UUID, reason: str
) -> WholeApplication:
    """All of an application, for a reason that stays in the trail.

    Refuses `reason_needed`, `relative_application_unknown`.
    """
    reason = require_reason(reason)
    with transaction() as session:
        report, row = _require_application(session, application_id)
        record_access(
            citizen_id=row.citizen_id, actor=Actor(OPERATOR, operator_id),
            action="relative_application_read", reason=reason, basis="relatives",
        )
        return queries.read_application(session, data_key(keys, row.citizen_id), report, row)


def propose_decision(
    *, keys: KeyProvider, operator_id: UUID, application_id: UUID, outcome: str, reasons: str
) -> ApplicationLine:
    """Propose to grant or to reject; a second person confirms.

    Refuses `relative_application_unknown`, `relative_application_decided`, `arranged_otherwise`,
    `death_evidence_missing`.
    """
    with transaction() as session:
        report, row = _require_application(session, application_id)
        if row.state != "open":
            raise refusals.RelativeApplicationDecided
        if outcome == GRANTED:
            _require_grantable(session, keys, report, row)
        row.reasons_sealed = seal_text(
            data_key(keys, row.citizen_id), reasons,
            table=APPLICATIONS, column="reasons_sealed", row_id=application_id,
        )
        row.state, row.outcome, row.proposed_by = "proposed", outcome, operator_id
        session.flush()
        return application_line(row)


def confirm_decision(
    *, keys: KeyProvider, terms: Terms, operator_id: UUID, application_id: UUID,
    is_confirmed: bool, totp: str,
) -> ApplicationLine:
    """The second person's word; without it the application is open again.

    Refuses `second_factor_refused`, `relative_application_unknown`,
    `relative_application_unproposed`, `second_person_needed`, `arranged_otherwise`,
    `record_not_held`.
    """
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=totp)
    with transaction() as session:
        report, row = _require_application(session, application_id)
        if row.state != "proposed":
            raise refusals.RelativeApplicationUnproposed
        if row.proposed_by == operator_id:
            raise SecondPersonNeeded
        if is_confirmed:
            if row.outcome == GRANTED:
                _require_grantable(session, keys, report, row)
                _carry_out(keys, terms, report, row)
            moment = session.execute(select(func.clock_timestamp())).scalar_one()
            row.state, row.confirmed_by, row.decided_at = DECIDED, operator_id, moment
        else:
            row.state, row.outcome = "open", None
            row.proposed_by, row.reasons_sealed = None, None
        session.flush()
        record_access(
            citizen_id=row.citizen_id, actor=Actor(OPERATOR, operator_id),
            action="relative_decided" if is_confirmed else "relative_sent_back",
            basis="relatives",
        )
        return application_line(row)


def hand_over_copy(
    *, keys: KeyProvider, operator_id: UUID, application_id: UUID, reason: str, totp: str
) -> copies.Ticket:
    """What opens the copy that was granted, told once: for the relative at the counter.

    Again begins the copy's day anew with another secret, until it is taken.  Refuses
    `reason_needed`, `second_factor_refused`, `relative_application_unknown`,
    `relative_copy_not_granted`, `copy_asked_recently`.
    """
    reason = require_reason(reason)
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=totp)
    with transaction() as session:
        report, row = _require_application(session, application_id)
        if (row.wish, row.outcome, row.state, report.state) != (COPY, GRANTED, DECIDED, CONFIRMED):
            raise refusals.RelativeCopyNotGranted
        row.copy_id = copy_id = row.copy_id or new_id()
        citizen_id = row.citizen_id
    try:
        ticket = copies.ask_copy(citizen_id=citizen_id, copy_id=copy_id)
    except copies.CopyUnknown:
        raise refusals.RelativeCopyNotGranted from None
    with transaction():  # no line, no ticket
        record_access(
            citizen_id=citizen_id, actor=Actor(OPERATOR, operator_id),
            action="relative_copy_handed", reason=reason, basis="relatives",
        )
    return ticket


def _in_canonical_form(application: Application) -> Application:
    phone = application.phone
    return Application(
        **vars(application) | {
            "name": parse_name(application.name),
            "id_number": parse_id_number(application.id_number).value,
            "phone": None if phone is None else parse_phone(phone),
        }
    )  # fmt: skip


def _require_application(
    session: Session, application_id: UUID
) -> tuple[DeathReport, RelativeApplication]:
    """An application and the report it is about, both locked."""
    report_id = session.scalar(
        select(RelativeApplication.report_id).where(
            RelativeApplication.application_id == application_id
        )
    )
    if report_id is None:
        raise refusals.RelativeApplicationUnknown
    report = require_report(session, report_id)
    row = queries.find_application(session, application_id)
    if row is None:
        raise refusals.RelativeApplicationUnknown
    return report, row


def _require_heard(session: Session, report: DeathReport, application: Application) -> None:
    if report.state != CONFIRMED:
        raise refusals.DeathUnconfirmed
    if queries.count_open(session, report.citizen_id) >= OPEN_MAX:
        raise refusals.RelativeApplicationsTooMany(open_max=OPEN_MAX)
    if application.wish == CORRECTION and find_latest_version(
        citizen_id=report.citizen_id, record_type=str(application.record_type),
        record_number=str(application.record_number),
    ) is None:
        raise refusal("record_not_held")


def _require_grantable(
    session: Session, keys: KeyProvider, report: DeathReport, row: RelativeApplication
) -> None:
    if report.state != CONFIRMED:
        raise refusals.DeathUnconfirmed
    who = relative_of(data_key(keys, row.citizen_id), row)
    if not may_ask(
        session, keys, citizen_id=row.citizen_id, id_number=who.id_number, relation=row.relation
    ):
        raise refusals.ArrangedOtherwise
    if not queries.list_papers(session, report, row.application_id):
        raise refusals.DeathEvidenceMissing


def _carry_out(
    keys: KeyProvider, terms: Terms, report: DeathReport, row: RelativeApplication
) -> None:
    """What was granted: a term for the copy, the record void, or the last day brought forward."""
    assert report.final_on is not None, "a confirmed report has its last day"
    assert report.reversible_until_on is not None, "a confirmed report has its term"
    today = city_today(transaction_required())
    if row.wish == COPY:
        report.final_on = max(report.final_on, terms.copy_until_on(today))
    elif row.wish == DELETION:
        report.final_on = max(report.reversible_until_on, today)
    else:
        void_record(
            keys=keys, citizen_id=row.citizen_id, record_type=str(row.record_type),
            record_number=str(row.record_number), act_id=new_id(),
        )


def _new(
    key: Key, report: DeathReport, application_id: UUID, application: Application
) -> RelativeApplication:
    who = {name: getattr(application, name) for name in ("name", "id_number", "phone")}
    sealed = {
        column: seal_text(key, value, table=APPLICATIONS, column=column, row_id=application_id)
        for column, value in (
            ("relative_sealed", orjson.dumps(who).decode()),
            ("interest_sealed", application.interest),
        )
    }
    return RelativeApplication(
        citizen_id=report.citizen_id, application_id=application_id, report_id=report.report_id,
        relation=application.relation, wish=application.wish, state="open",
        record_type=application.record_type, record_number=application.record_number, **sealed,
    )


def _said(key: Key, row: RelativeApplication) -> Application:
    """What was asked for under an id."""
    who: Relative = relative_of(key, row)
    return Application(
        relation=row.relation, wish=row.wish, name=who.name, id_number=who.id_number,
        phone=who.phone, interest=opened(key, row, "interest_sealed"),
        record_type=row.record_type, record_number=row.record_number,
    )

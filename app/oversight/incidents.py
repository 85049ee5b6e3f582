"""Incidents with personal data (PIPL, art. 57): who is affected, and who is told what and when.

An operator says what leaked and when; a worker lists the people, from the trail, the deliveries,
the keys or a table; another operator releases the notices.  Both terms run from the moment at which
the incident was found.  A drill does everything but tell people.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.counter import notices as text_messages
from app.kernel import checks, outbox
from app.kernel.database import alone, reading, transaction
from app.kernel.errors import IdReused
from app.kernel.ids import id_slices
from app.oversight.affected import Scope, require_scope, touched_by
from app.oversight.models import Incident, IncidentPerson
from app.oversight.refusals import IncidentNotCounted, IncidentTimesUnfit, IncidentUnknown
from app.trail.operations import (
    SYSTEM,
    Actor,
    SecondPersonNeeded,
    record_accesses,
    record_act,
    require_reason,
)

log = logging.getLogger(__name__)

COUNT_TOPIC: Final = "incident_count"
RELEASE_TOPIC: Final = "incident_release"
NOTICE_TOPIC: Final = "incident_notice"
AUTHORITY_WITHIN: Final = timedelta(hours=4)
PEOPLE_WITHIN: Final = timedelta(hours=72)
SLICES: Final = 64
LISTED_MAX: Final = 100
NOTICED_AT_ONCE: Final = 500
_NOTICE: Final = text("""
    UPDATE incident_people p SET noticed_at = clock_timestamp()
    WHERE (p.incident_id, p.citizen_id) IN (
        SELECT o.incident_id, o.citizen_id FROM incident_people o
        WHERE o.incident_id = :incident AND o.citizen_id > :after AND o.noticed_at IS NULL
            AND citizen_is_active(o.citizen_id)
        ORDER BY o.citizen_id LIMIT :limit)
    RETURNING p.citizen_id
""")


@dataclass(frozen=True)
class NewIncident:
    """What is known of an incident; the texts name no person.

    `scope` and `scope_name` say by whom or what data were seen, see `Scope`.
    """

    incident_id: UUID
    is_drill: bool
    scope: str
    scope_name: str
    seen_from: datetime
    seen_until: datetime
    found_at: datetime
    cause: str
    harm: str
    measures: str
    advice: str
    contact: str


@dataclass(frozen=True)
class KnownIncident:
    """An incident and how far it is; `seen_counts` has how many people by what was seen."""

    incident_id: UUID
    is_drill: bool
    scope: str
    scope_name: str
    seen_from: datetime
    seen_until: datetime
    found_at: datetime
    cause: str
    harm: str
    measures: str
    advice: str
    contact: str
    reported_by: UUID
    authority_due_at: datetime
    people_due_at: datetime
    counted_at: datetime | None
    released_by: UUID | None
    released_at: datetime | None
    authority_told_at: datetime | None
    authority_reference: str | None
    created_at: datetime
    people_count: int = 0
    noticed_count: int = 0
    seen_counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class AffectedPerson:
    """Somebody whose data were seen: what, in how many lines of the trail, when."""

    citizen_id: UUID
    seen: tuple[str, ...]
    line_count: int
    first_at: datetime
    last_at: datetime
    noticed_at: datetime | None


def report_incident(*, incident: NewIncident, operator_id: UUID, reason: str) -> KnownIncident:
    """Register an incident; a worker lists the people.  The same again changes nothing.

    Refuses `reason_needed`, `reason_names_person` (any of the texts), `incident_scope_unfit`,
    `incident_times_unfit`, `id_reused`.
    """
    reason = require_reason(reason)
    texts = {name: require_reason(getattr(incident, name)) for name in _TEXTS}
    require_scope(Scope(incident.scope, incident.scope_name))
    values = vars(incident) | texts
    with transaction() as session:
        now = session.execute(select(func.now())).scalar_one()
        if not incident.seen_from < incident.seen_until or incident.found_at > now:
            raise IncidentTimesUnfit
        known = session.get(Incident, incident.incident_id)
        if known is not None and any(getattr(known, name) != values[name] for name in values):
            raise IdReused
        if known is None:
            session.execute(insert(Incident).values(
                **values, reported_by=operator_id, reason=reason,
                authority_due_at=incident.found_at + AUTHORITY_WITHIN,
                people_due_at=incident.found_at + PEOPLE_WITHIN,
            ))
            _act(operator_id, "incident_reported", incident.incident_id, reason)
            outbox.put(citizen_id=incident.incident_id, topic=COUNT_TOPIC, payload={})
    return show_incident(incident_id=incident.incident_id)


def show_incident(*, incident_id: UUID) -> KnownIncident:
    """An incident with its counts; IncidentUnknown."""
    people = (
        select(IncidentPerson.seen, func.count(), func.count(IncidentPerson.noticed_at))
        .where(IncidentPerson.incident_id == incident_id)
        .group_by(IncidentPerson.seen)
    )
    with reading() as session:
        row = session.get(Incident, incident_id, populate_existing=True)
        if row is None:
            raise IncidentUnknown
        groups = session.execute(people).all()
    counts: Counter[str] = Counter()
    for seen, count, _ in groups:
        counts.update(dict.fromkeys(seen, count))
    facts = {name: getattr(row, name) for name in _FACTS}
    return KnownIncident(
        **facts, people_count=sum(count for _, count, _ in groups),
        noticed_count=sum(noticed for *_, noticed in groups),
        seen_counts=dict(sorted(counts.items())),
    )


def list_incidents() -> list[KnownIncident]:
    """The hundred newest incidents, the newest first, without counts."""
    query = select(Incident).order_by(Incident.found_at.desc()).limit(LISTED_MAX)
    with reading() as session:
        return [
            KnownIncident(**{name: getattr(row, name) for name in _FACTS})
            for row in session.scalars(query)
        ]


def list_people(
    *, incident_id: UUID, operator_id: UUID, reason: str, limit: int, after: UUID | None = None
) -> list[AffectedPerson]:
    """A page of the people concerned, by their random numbers; each of them sees that it was read.

    Refuses `reason_needed`, `incident_unknown`.
    """
    reason = require_reason(reason)
    query = (
        select(IncidentPerson)
        .where(IncidentPerson.incident_id == incident_id)
        .order_by(IncidentPerson.citizen_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(IncidentPerson.citizen_id > after)
    with transaction() as session:
        if session.get(Incident, incident_id) is None:
            raise IncidentUnknown
        people = [
            AffectedPerson(
                row.citizen_id, tuple(row.seen), row.line_count, row.first_at, row.last_at,
                row.noticed_at,
            )
            for row in session.scalars(query)
        ]
        record_accesses(
            citizen_ids=[one.citizen_id for one in people], actor=Actor("operator", operator_id),
            action="incident_listed", reason=reason,
        )
    return people


def count_people(*, incident_id: UUID) -> None:
    """For the worker: list the people of an incident, from its beginning; a counted one stays."""
    with alone(f"incident {incident_id}") as is_alone:
        incident = show_incident(incident_id=incident_id)
        if incident.counted_at is not None or not is_alone:
            return
        scope = Scope(incident.scope, incident.scope_name)
        for first, last in id_slices(SLICES):
            found = touched_by(
                scope, since=incident.seen_from, until=incident.seen_until, first=first, last=last
            )
            rows = [
                {"incident_id": incident_id, **vars(one), "seen": list(one.seen)} for one in found
            ]
            if rows:
                with transaction() as session:
                    session.execute(upsert(IncidentPerson).on_conflict_do_nothing(), rows)
        _update(incident_id, counted_at=func.clock_timestamp())


def release_notices(*, incident_id: UUID, operator_id: UUID, reason: str) -> KnownIncident:
    """Let the people be told, as somebody else than who reported it; again changes nothing.

    Refuses `reason_needed`, `incident_unknown`, `incident_not_counted`, `second_person_needed`.
    """
    reason = require_reason(reason)
    with transaction() as session:
        held = _locked(session, incident_id)
        if held.reported_by == operator_id:
            raise SecondPersonNeeded
        if held.counted_at is None:
            raise IncidentNotCounted
        if held.released_at is None:
            held.released_by, held.released_at = operator_id, _clock(session)
            session.flush()
            _act(operator_id, "incident_released", incident_id, reason)
            outbox.put(citizen_id=incident_id, topic=RELEASE_TOPIC, payload={})
    return show_incident(incident_id=incident_id)


def send_notices(*, incident_id: UUID) -> int:
    """For the worker: put a notice before everybody concerned who is a member; how many were new.

    A drill tells nobody.
    """
    incident = show_incident(incident_id=incident_id)
    if incident.is_drill or incident.released_at is None:
        return 0
    count, after = 0, UUID(int=0)
    while True:
        asked = {"incident": incident_id, "after": after, "limit": NOTICED_AT_ONCE}
        with transaction() as session:
            told = list(session.scalars(_NOTICE, asked))
            for citizen_id in told:
                outbox.put(
                    citizen_id=citizen_id, topic=NOTICE_TOPIC,
                    payload={"incident_id": str(incident_id)},
                )
                text_messages.tell(citizen_id=citizen_id, what=text_messages.INCIDENT)
        count += len(told)
        if len(told) < NOTICED_AT_ONCE:
            return count
        after = max(told)


def note_authority(
    *, incident_id: UUID, operator_id: UUID, document_number: str, reason: str
) -> KnownIncident:
    """Note that the authority has the report, and under which number; the first time stands.

    Refuses `reason_needed`, `reason_names_person`, `incident_unknown`, `incident_not_counted`.
    """
    reason = require_reason(reason)
    with transaction() as session:
        held = _locked(session, incident_id)
        if held.counted_at is None:
            raise IncidentNotCounted
        if held.authority_told_at is None:
            held.authority_told_at, held.authority_reference = _clock(session), document_number
            session.flush()
            _act(operator_id, "incident_authority_told", incident_id, reason)
    return show_incident(incident_id=incident_id)


def my_notices(*, citizen_id: UUID) -> list[tuple[KnownIncident, AffectedPerson]]:
    """What a citizen is told of incidents, the newest first."""
    query = (
        select(Incident, IncidentPerson)
        .join(IncidentPerson, IncidentPerson.incident_id == Incident.incident_id)
        .where(IncidentPerson.citizen_id == citizen_id, IncidentPerson.noticed_at.is_not(None))
        .order_by(IncidentPerson.noticed_at.desc())
        .limit(LISTED_MAX)
    )
    with reading() as session:
        return [
            (
                KnownIncident(**{name: getattr(row, name) for name in _FACTS}),
                AffectedPerson(
                    person.citizen_id, tuple(person.seen), person.line_count, person.first_at,
                    person.last_at, person.noticed_at,
                ),
            )
            for row, person in session.execute(query)
        ]


def watch_terms() -> int:
    """For the job: incidents of which somebody waits longer than allowed; how many.

    The gauge is an alarm; the first time stands among the acts of office.
    """
    late = or_(
        (Incident.authority_told_at.is_(None)) & (Incident.authority_due_at < func.now()),
        (Incident.released_at.is_(None)) & (Incident.people_due_at < func.now()),
    )
    with transaction() as session:
        overdue = session.scalars(select(Incident).where(late).with_for_update()).all()
        for held in overdue:
            log.error("incident overdue", extra={"incident": str(held.incident_id)})
            if held.escalated_at is None:
                held.escalated_at = _clock(session)
                record_act(
                    actor=SYSTEM, action="incident_overdue", subject=_subject(held.incident_id)
                )
    checks.record_count(name="incidents_overdue", count=len(overdue))
    return len(overdue)


def resume_counts() -> None:
    """Go on with incidents whose worker died."""
    waiting = select(Incident.incident_id).where(Incident.counted_at.is_(None))
    with reading() as session:
        unfinished = list(session.scalars(waiting))
    for incident_id in unfinished:
        count_people(incident_id=incident_id)


_TEXTS: Final = ("cause", "harm", "measures", "advice")
_FACTS: Final = tuple(
    name for name in KnownIncident.__dataclass_fields__
    if name not in {"people_count", "noticed_count", "seen_counts"}
)


def _locked(session: Session, incident_id: UUID) -> Incident:
    held = session.get(Incident, incident_id, with_for_update=True, populate_existing=True)
    if held is None:
        raise IncidentUnknown
    return held


def _clock(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def _update(incident_id: UUID, **values: Any) -> None:
    with transaction() as session:
        session.execute(
            update(Incident)
            .where(Incident.incident_id == incident_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _act(operator_id: UUID, action: str, incident_id: UUID, reason: str) -> None:
    record_act(
        actor=Actor("operator", operator_id), action=action, subject=_subject(incident_id),
        reason=reason,
    )


def _subject(incident_id: UUID) -> str:
    return f"incident {incident_id}"

"""A membership that rests: nothing is done with it but keeping it, and it can go on as it was.

It rests because a death was reported, or because a required text that changed was not agreed to in
time; then it goes on as soon as the person joins again, which is how they agree.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.kernel.clock import city_today
from app.kernel.database import reading, transaction_required
from app.members.models import Citizen, Consent, ConsentText
from app.members.profiles import CitizenNotFound, MembershipRests
from app.members.sessions import CITIZEN, end_sessions

RESTING: Final = "restricted"


def rest_membership(*, citizen_id: UUID) -> None:
    """Let a membership rest, in the open transaction: sessions and codes are dead.

    Nothing is taken away that would have to be given back.  CitizenNotFound when it rests for
    another reason than a missing consent, or is over.
    """
    session = transaction_required()
    citizen = session.get(Citizen, citizen_id, with_for_update=True, populate_existing=True)
    if citizen is None or not (citizen.status == "active" or citizen.rests_for_consent):
        raise CitizenNotFound
    _rest(session, citizen, for_consent=False)


def rest_unanswered(*, limit: int) -> list[UUID]:
    """Let rest who has not agreed in time to a required text that changed; who they are.

    In the open transaction, at most `limit` of them.
    """
    session = transaction_required()
    agreed = exists().where(
        Consent.citizen_id == Citizen.citizen_id, Consent.purpose == ConsentText.purpose,
        Consent.text_version >= ConsentText.version, Consent.decision == "given",
    ).correlate(Citizen, ConsentText)
    unanswered = exists().where(
        ConsentText.required, ConsentText.matters, ConsentText.answer_due_on < city_today(session),
        ~agreed,
    )
    found = session.scalars(
        select(Citizen).where(Citizen.status == "active", unanswered)
        .order_by(Citizen.citizen_id).limit(limit)
        .with_for_update(of=Citizen, skip_locked=True)
    ).all()
    for citizen in found:
        _rest(session, citizen, for_consent=True)
    return [citizen.citizen_id for citizen in found]


def _rest(session: Session, citizen: Citizen, *, for_consent: bool) -> None:
    citizen.status, citizen.rests_for_consent = RESTING, for_consent
    end_sessions(role=CITIZEN, subject_id=citizen.citizen_id, reason="membership_rests")
    session.flush()


def resume_membership(*, citizen_id: UUID) -> None:
    """Let a membership that rests go on, in the open transaction."""
    session = transaction_required()
    citizen = session.get(Citizen, citizen_id, with_for_update=True, populate_existing=True)
    if citizen is not None and citizen.status == RESTING:
        citizen.status, citizen.rests_for_consent = "active", False
        session.flush()


def require_unrested(*, citizen_id: UUID) -> None:
    """Refuse what ends a membership for good after a report of a death.  MembershipRests."""
    with reading() as session:
        citizen = session.get(Citizen, citizen_id, populate_existing=True)
    if citizen is not None and citizen.status == RESTING and not citizen.rests_for_consent:
        raise MembershipRests

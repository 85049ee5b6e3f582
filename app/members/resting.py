"""A membership that rests: nothing is done with it but keeping it, and it can go on as it was."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app.kernel.database import reading, transaction_required
from app.members.models import Citizen
from app.members.profiles import CitizenNotFound, MembershipRests
from app.members.sessions import CITIZEN, end_sessions

RESTING: Final = "restricted"


def rest_membership(*, citizen_id: UUID) -> None:
    """Let an active membership rest, in the open transaction: sessions and codes are dead.

    Nothing is taken away that would have to be given back.  CitizenNotFound when it is not active.
    """
    session = transaction_required()
    citizen = session.get(Citizen, citizen_id, with_for_update=True, populate_existing=True)
    if citizen is None or citizen.status != "active":
        raise CitizenNotFound
    citizen.status = RESTING
    end_sessions(role=CITIZEN, subject_id=citizen_id, reason="membership_rests")
    session.flush()


def resume_membership(*, citizen_id: UUID) -> None:
    """Let a membership that rests go on, in the open transaction."""
    session = transaction_required()
    citizen = session.get(Citizen, citizen_id, with_for_update=True, populate_existing=True)
    if citizen is not None and citizen.status == RESTING:
        citizen.status = "active"
        session.flush()


def require_unrested(*, citizen_id: UUID) -> None:
    """Refuse what ends a membership for good while it rests.  MembershipRests."""
    with reading() as session:
        citizen = session.get(Citizen, citizen_id, populate_existing=True)
    if citizen is not None and citizen.status == RESTING:
        raise MembershipRests

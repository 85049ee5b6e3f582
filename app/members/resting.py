"""A membership that rests: nothing is done with it but keeping it, and it can go on as it was."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from app.kernel.database import reading, transaction_required
from app.kernel.errors import Conflict
from app.members.models import Citizen
from app.members.profiles import CitizenNotFound
from app.members.sessions import CITIZEN, end_sessions

RESTING: Final = "restricted"


class MembershipRests(Conflict):
    """The membership rests; the counter says why, and lets it go on when that was a mistake."""

    code: ClassVar[str] = "membership_rests"
    title: ClassVar[str] = "The membership rests"
    advice: ClassVar[str] = "您的诚信卡已暂停使用；如有疑问，请本人携带身份证到服务窗口核对恢复。"


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

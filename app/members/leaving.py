"""The end of a membership: at once nothing is done any more, then what is personal is erased."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text

from app.kernel.database import transaction_required
from app.members.consents import (
    STANDING,
    WECHAT_CHANNEL,
    Decision,
    current_texts,
    record_decisions,
)
from app.members.models import Citizen
from app.members.profiles import CitizenNotFound
from app.members.queries import consent_states
from app.members.sessions import CITIZEN, end_sessions
from app.trail.operations import Actor, record_access

_ERASE = text("SELECT members_erase(:citizen, :entirely)")


def end_membership(
    *, citizen_id: UUID, actor: Actor, channel: str = WECHAT_CHANNEL, reason: str = ""
) -> datetime | None:
    """End a membership in the open transaction: sessions, codes and consents with it.

    The moment by the database's clock; None when it was over before.  CitizenNotFound.
    """
    session = transaction_required()
    citizen = session.get(Citizen, citizen_id, with_for_update=True, populate_existing=True)
    if citizen is None:
        raise CitizenNotFound
    if citizen.status == "left":
        return None
    texts = current_texts()
    states = consent_states(citizen_id=citizen_id, purposes=texts)
    # A stale consent stands too, and a refusal says nothing that could be withdrawn.
    record_decisions([
        Decision(citizen_id=citizen_id, text=text, channel=channel, decision="withdrawn")
        for purpose, text in texts.items()
        if states[purpose] in STANDING
    ])
    citizen.status = "left"
    end_sessions(role=CITIZEN, subject_id=citizen_id, reason="withdrawn")
    record_access(
        citizen_id=citizen_id, actor=actor, action="left", reason=reason, basis="request"
    )
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def erase_member(*, citizen_id: UUID, entirely: bool) -> None:
    """Delete what is personal of somebody who has left, in the open transaction.

    Without `entirely` the key stays, and what is needed to settle what was begun.
    """
    transaction_required().execute(_ERASE, {"citizen": citizen_id, "entirely": entirely})

"""What follows when an adverse record has ended: computed anew, and every receiver told (R18)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from app.kernel.database import transaction, transaction_required
from app.kernel.ids import new_id
from app.members.queries import database_now
from app.records.adverse import Adverse, list_ended_untold, take_to_tell
from app.records.queries import current_day
from app.repairs.models import EndNotice
from app.scoring.operations import refresh_citizens
from app.scoring.queries import scheme_in_force
from app.trail.queries import list_shares

Receiver = tuple[str, UUID]
USED_FOR: Final = timedelta(days=366)  # nobody uses longer what they were told of a person


def tell_ended(*, limit: int) -> int:
    """For the job: see to up to `limit` records that have ended; how many."""
    due = list_ended_untold(limit=limit)
    for ended in due:
        with transaction():
            tell(ended)
    return len(due)


def tell(ended: Adverse) -> None:
    """Compute the score without the record and notify whoever was told one with it.

    In the open transaction, once: the notices and the sharing log agree.
    """
    if not take_to_tell(ended=ended):
        return
    if scheme_in_force(on=current_day()) is not None:
        refresh_citizens(citizen_ids=[ended.citizen_id])
    _notify(ended.citizen_id, since=ended.known_from_at, ended_on=ended.ends_on)


def tell_receivers(*, citizen_id: UUID, ended_on: date) -> None:
    """Notify whoever was told within a year how somebody stood: it may be used no more.

    In the open transaction.
    """
    _notify(citizen_id, since=database_now() - USED_FOR, ended_on=ended_on)


def _notify(citizen_id: UUID, *, since: datetime, ended_on: date) -> None:
    session = transaction_required()
    for (kind, receiver_id), moments in _receivers(citizen_id, since).items():
        session.add(EndNotice(
            citizen_id=citizen_id, notice_id=new_id(), receiver_kind=kind,
            receiver_id=receiver_id, share_count=len(moments), last_shared_at=max(moments),
            ended_on=ended_on,
        ))
    session.flush()


def _receivers(citizen_id: UUID, since: datetime) -> dict[Receiver, list[datetime]]:
    """Who was told how the citizen stood since a moment, and when."""
    found: dict[Receiver, list[datetime]] = defaultdict(list)
    for share in list_shares(citizen_id=citizen_id, since=since):
        if share.actor_id is not None:
            found[share.actor_kind, share.actor_id].append(share.created_at)
    return found

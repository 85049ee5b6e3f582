"""Leaving at the counter: as easy as on a phone, and the same."""

from __future__ import annotations

from uuid import UUID

from app.counter.presence import Present, require_present
from app.kernel.keys import KeyProvider
from app.members.consents import COUNTER_CHANNEL
from app.members.resting import require_unrested
from app.rights.leaving import leave
from app.rights.receipts import SignedReceipt
from app.trail.operations import Actor


def leave_at_counter(
    *, keys: KeyProvider, operator_id: UUID, person: Present
) -> SignedReceipt:
    """End the membership of the person at the counter at once; the receipt to hand over.

    Again gives the same receipt.  Refuses what `require_present` refuses, and `membership_rests`:
    what a report of a death let rest is not deleted by one person.
    """
    citizen_id, reason = require_present(keys=keys, operator_id=operator_id, person=person)
    require_unrested(citizen_id=citizen_id)
    return leave(
        keys=keys, citizen_id=citizen_id, actor=Actor("operator", operator_id),
        channel=COUNTER_CHANNEL, reason=reason,
    )

"""Members who did not answer a required text that changed: they rest, and are told."""

from __future__ import annotations

from app.counter.notices import UNANSWERED, tell
from app.kernel.database import transaction
from app.members.resting import rest_unanswered
from app.trail.operations import SYSTEM, record_accesses


def rest_due(*, limit: int) -> int:
    """Let rest at most `limit` members whose time to answer is over; how many."""
    with transaction():
        citizens = rest_unanswered(limit=limit)
        record_accesses(
            citizen_ids=citizens, actor=SYSTEM, action="rested_unanswered", fields=(),
            basis="membership",
        )
        for citizen_id in citizens:
            tell(citizen_id=citizen_id, what=UNANSWERED)
    return len(citizens)

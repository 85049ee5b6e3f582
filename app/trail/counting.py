"""How many people an account reads in plain within an hour: too many are an alarm."""

from __future__ import annotations

import logging
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import text

from app.kernel.database import transaction_required
from app.kernel.ids import new_id
from app.trail import security

log = logging.getLogger(__name__)

VIEWS_PER_HOUR_MAX: Final = 50
# What shows an operator words, papers or data of a person in plain.
OPENING_ACTIONS: Final = frozenset({
    "attachment_read", "complaint_read", "death_paper_read", "death_report_read", "objection_read",
    "profile_opened", "relative_application_read", "repair_read", "visit_printed", "visit_read",
})
_ADMIT: Final = text("SELECT trail_admit_view(:staff, :view, :alarm, :most)")


def admit_view(*, staff_id: UUID, citizen_id: UUID, action: str = "") -> bool:
    """Whether this account may read one more person in plain, in the open transaction.

    One who was read within the hour is none more.  False raises the alarm where none is open:
    commit before it is refused, or nobody hears of it.
    """
    asked = {
        "staff": staff_id, "view": uuid5(staff_id, str(citizen_id)), "alarm": new_id(),
        "most": VIEWS_PER_HOUR_MAX,
    }
    admitted: bool = transaction_required().execute(_ADMIT, asked).scalar_one()
    if not admitted:
        security.record_event(
            kind=security.BULK_VIEWING_STOPPED, role="operator", account_id=staff_id,
            subject=action,
        )
        log.error("bulk viewing", extra={"staff": str(staff_id), "action": action})
    return admitted

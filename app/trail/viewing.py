"""Bulk viewing: of one account that reads too many people in plain others hear, and it is stopped.

Whoever works on cases goes on with them, because their terms run; looking people up is over until
another operator has looked into it and agrees.  Then the account's hour begins anew.
"""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import func, select, text

from app.kernel.database import transaction
from app.kernel.errors import NotAllowed, NotFound
from app.trail.models import BulkViewingAlarm
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason
from app.trail.queries import Alarm, alarm_of

_PRUNE: Final = text("SELECT trail_views_prune()")


class BulkViewingStopped(NotAllowed):
    """The account has read too many people unmasked within an hour; somebody else must agree."""

    code: ClassVar[str] = "bulk_viewing_stopped"
    title: ClassVar[str] = "The account has read too many people within an hour"
    advice: ClassVar[str] = "本账号一小时内查看人数过多，已暂停查看，请由另一名工作人员核实后恢复。"


class BulkViewingAlarmUnknown(NotFound):
    """There is no such alarm."""

    code: ClassVar[str] = "bulk_viewing_alarm_unknown"
    title: ClassVar[str] = "There is no such alarm"
    advice: ClassVar[str] = "没有找到该告警，请刷新列表。"


def prune_views() -> int:
    """Forget the views of more than an hour ago; how many."""
    with transaction() as session:
        return int(session.scalar(_PRUNE) or 0)


def release_alarm(*, alarm_id: UUID, operator_id: UUID, reason: str) -> Alarm:
    """Let a stopped account go on; again changes nothing.

    Refuses `reason_needed`, `bulk_viewing_alarm_unknown`, and `second_person_needed` to the
    account itself.
    """
    reason = require_reason(reason)
    with transaction() as session:
        alarm = session.get(BulkViewingAlarm, alarm_id, with_for_update=True)
        if alarm is None:
            raise BulkViewingAlarmUnknown
        if alarm.staff_id == operator_id:
            raise SecondPersonNeeded
        if alarm.released_at is None:
            now = session.execute(select(func.clock_timestamp())).scalar_one()
            alarm.released_by, alarm.released_at = operator_id, now
            session.flush()
            record_act(
                actor=Actor("operator", operator_id), action="bulk_viewing_released",
                subject=str(alarm.staff_id), reason=reason,
            )
        return alarm_of(alarm)

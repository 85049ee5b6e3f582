"""Alarms about bulk viewing for requests that work."""

from __future__ import annotations

from collections.abc import Callable

from app.kernel.database import transaction
from app.kernel.ids import new_id, random_id
from app.trail.counting import VIEWS_PER_HOUR_MAX, admit_view
from app.trail.queries import list_alarms
from tests.contract.orders import Made
from tests.contract.world import World


def _stopped(world: World) -> Made:
    """An account that has read too many."""
    staff_id = new_id()
    with world.app.app_context():
        for _ in range(VIEWS_PER_HOUR_MAX + 1):
            with transaction():
                admit_view(staff_id=staff_id, citizen_id=random_id())
        (alarm,) = [one for one in list_alarms(limit=100) if one.staff_id == staff_id]
    return {"reason": "已核实为集中办理业务"}, {"alarm_id": str(alarm.alarm_id)}, {}


def _span(_: World) -> Made:
    body = {
        "since": "2026-01-01T00:00:00+08:00", "until": "2026-01-02T00:00:00+08:00",
        "reason": "例行安全审计",
    }  # fmt: skip
    return body, {}, {}


TRAIL: dict[tuple[str, str], Callable[[World], Made]] = {
    ("GET", "/bulk-viewing-alarms"): lambda _: (None, {}, {"limit": 2}),
    ("POST", "/bulk-viewing-alarms/<uuid:alarm_id>/release"): _stopped,
    ("POST", "/security-events/reading"): _span,
    ("POST", "/security-events/export"): _span,
}

"""Reports of oversight, for requests that work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import World, sent
from tests.trail.assessed import assessed


def _assessed(world: World, kind: str = "scoring") -> str:
    with world.app.app_context():
        return str(assessed(kind))


def _report(world: World) -> dict[str, Any]:
    return {
        "report_id": str(new_id()), "from_on": "2026-06-01", "to_on": "2026-06-30",
        "assessment_id": _assessed(world), "reason": "按季度核对公平性",
    }


def _requested(world: World) -> Made:
    body = _report(world)
    sent(world.client, "/fairness-reports", body, world.theirs.callers[Role.OPERATOR].headers)
    return None, {"report_id": body["report_id"]}, {}


REPORTS = "/fairness-reports"
DAYS = {"from_on": "2026-06-01", "to_on": "2026-06-30"}
OVERSIGHT: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", REPORTS): lambda world: (_report(world), {}, {}),
    ("GET", f"{REPORTS}/<uuid:report_id>"): _requested,
    ("GET", f"{REPORTS}/<uuid:report_id>/page"): _requested,
    ("GET", f"{REPORTS}/<uuid:report_id>/figures.csv"): _requested,
    ("GET", "/city-indicators"): lambda _: (None, {}, DAYS),
    ("GET", "/city-indicators.csv"): lambda _: (None, {}, DAYS),
}

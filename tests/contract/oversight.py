"""Reports of oversight, for requests that work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

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


def _incident(_: World) -> dict[str, Any]:
    return {
        "incident_id": str(new_id()), "is_drill": True, "scope": "everybody", "scope_name": "",
        "seen_from": "2026-01-01T00:00:00+08:00", "seen_until": "2099-01-01T00:00:00+08:00",
        "found_at": "2026-06-01T09:00:00+08:00", "cause": "演练：账号被他人登录",
        "harm": "演练：可能收到陌生来电", "measures": "演练：已停用账号",
        "advice": "演练：请留意陌生来电", "contact": "12345", "reason": "年度应急演练",
    }  # fmt: skip


def _counted(body: dict[str, Any] | None) -> Callable[[World], Made]:
    """An incident that another operator reported, with a person in its list."""

    def made(world: World) -> Made:
        new = _incident(world)
        sent(world.client, "/incidents", new, world.theirs.callers[Role.OPERATOR].headers)
        web_url = world.app.extensions["card_settings"].database_url
        with psycopg.connect(web_url.replace("card_web", "card_job")) as worker:
            worker.execute(
                "INSERT INTO incident_people VALUES"
                " (gen_random_uuid(), %s, '{profile_opened:name}', 1, now(), now())",
                (new["incident_id"],),
            )
            worker.execute(
                "UPDATE incidents SET counted_at = now() WHERE incident_id = %s",
                (new["incident_id"],),
            )
        return body, {"incident_id": new["incident_id"]}, {}

    return made


INCIDENT = "/incidents/<uuid:incident_id>"
ACT = {"reason": "年度应急演练"}
REPORTS = "/fairness-reports"
DAYS = {"from_on": "2026-06-01", "to_on": "2026-06-30"}
OVERSIGHT: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", REPORTS): lambda world: (_report(world), {}, {}),
    ("GET", f"{REPORTS}/<uuid:report_id>"): _requested,
    ("GET", f"{REPORTS}/<uuid:report_id>/page"): _requested,
    ("GET", f"{REPORTS}/<uuid:report_id>/figures.csv"): _requested,
    ("POST", "/incidents"): lambda world: (_incident(world), {}, {}),
    ("GET", INCIDENT): _counted(None),
    ("POST", f"{INCIDENT}/people"): _counted(ACT),
    ("POST", f"{INCIDENT}/release"): _counted(ACT),
    ("POST", f"{INCIDENT}/authority"): _counted({**ACT, "document_number": "演练 1 号"}),
    ("GET", f"{INCIDENT}/authority-report.txt"): _counted(None),
    ("GET", "/city-indicators"): lambda _: (None, {}, DAYS),
    ("GET", "/city-indicators.csv"): lambda _: (None, {}, DAYS),
}

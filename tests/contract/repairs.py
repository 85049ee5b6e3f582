"""Credit repairs for requests that work: each about an adverse record of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import new_id
from tests.contract.orders import Made
from tests.contract.world import Party, World, sent
from tests.records.programme import HOURS

ADVERSE = text("""
    INSERT INTO adverse_records (citizen_id, record_type, record_number, event_on, ends_on)
    VALUES (:citizen, :type, :number, current_date - 400, current_date + 600)
""")
APPLICATION = "/repairs/<uuid:application_id>"


def repair(world: World, party: Party) -> dict[str, Any]:
    """An application about a record that is there for it; the city's catalogue has none."""
    number = f"F-{new_id()}"
    with world.app.app_context(), transaction() as session:
        values = {"citizen": party.citizen.subject_id, "type": HOURS, "number": number}
        session.execute(ADVERSE, values)
    return {
        "application_id": str(new_id()), "record_type": HOURS, "record_number": number,
        "evidence": "结案证明", "commitment": "按期履行",
    }


def applied(world: World, party: Party) -> str:
    body = repair(world, party)
    sent(world.client, "/me/repairs", body, party.citizen.headers)
    return str(body["application_id"])


def _of(body: dict[str, Any]) -> Callable[[World], Made]:
    return lambda world: (body, {"application_id": applied(world, world.ours)}, {})


REPAIRS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/me/repairs"): lambda world: (repair(world, world.ours), {}, {}),
    ("GET", "/repairs"): lambda _: (None, {}, {"limit": 2, "at_risk": "false"}),
    ("POST", f"{APPLICATION}/reading"): _of({"reason": "核对修复材料"}),
    ("POST", f"{APPLICATION}/decision"): _of({"outcome": "granted", "reasons": "已履行"}),
    ("GET", "/end-notices"): lambda _: (None, {}, {"limit": 2}),
}

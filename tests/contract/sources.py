"""The rule of signing for requests that work: each call about a source of its own."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from app.kernel.ids import new_id
from app.members.token_waivers import propose_token_waiver
from app.records.operations import register_source
from tests.contract.orders import Made
from tests.contract.world import World
from tests.members.api import keys_of

SOURCE = "/sources/<uuid:source_id>"
REASON = {"reason": "该单位系统改造期间暂用令牌"}


def _of_source(world: World) -> dict[str, str]:
    source_id = new_id()
    with world.app.app_context():
        register_source(
            keys=keys_of(world.app), source_id=source_id, unit=f"单位 {source_id}", record_types=[]
        )
    return {"source_id": str(source_id)}


def _of_proposal(world: World) -> Made:
    path, waiver_id = _of_source(world), new_id()
    with world.app.app_context():
        propose_token_waiver(
            operator_id=new_id(), source_id=UUID(path["source_id"]), waiver_id=waiver_id, **REASON
        )
    return REASON, path | {"waiver_id": str(waiver_id)}, {}


SOURCES: dict[tuple[str, str], Callable[[World], Made]] = {
    ("GET", f"{SOURCE}/signing"): lambda world: (None, _of_source(world), {}),
    ("POST", f"{SOURCE}/signing"): lambda world: (REASON, _of_source(world), {}),
    ("POST", f"{SOURCE}/token-waivers"): lambda world: (
        REASON | {"waiver_id": str(new_id())}, _of_source(world), {},
    ),
    ("POST", f"{SOURCE}/token-waivers/<uuid:waiver_id>/confirmation"): _of_proposal,
}

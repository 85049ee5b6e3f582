"""S9, S10 for applications and the staff and shops of merchants."""

from __future__ import annotations

from typing import Any

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.merchants import applied, approved, colleague
from tests.contract.world import World
from tests.redemptions.builders import API

Answer = tuple[int, str]


def _posted(world: World, path: str, body: dict[str, Any] | None, role: Role | None) -> Answer:
    headers = world.ours.callers[role].headers if role else None
    answer = world.client.post(f"{API}{path}", json=body, headers=headers)
    return answer.status_code, (answer.get_json() or {}).get("code", "")


def applications_need_their_secret(world: World) -> None:
    """Another's application is answered like one that nobody has."""
    theirs, mine = approved(world), applied(world)
    for application_id in (theirs.application_id, str(new_id())):
        ticket = {**mine.ticket, "application_id": application_id}
        for last in ("status", "owner-invitation"):
            told = _posted(world, f"/merchant-applications/{last}", ticket, None)
            assert told == (404, "application_unknown")
    taken = mine.body(application_id=theirs.application_id)
    assert _posted(world, "/merchant-applications", taken, None) == (422, "id_reused")


def their_staff_is_unknown(world: World) -> None:
    for staff_id in (colleague(world, of_theirs=True), str(new_id())):
        for act, body in (("move", {"shop_id": None}), ("end", None)):
            path = f"/merchant/staff/{staff_id}/{act}"
            told = _posted(world, path, body, Role.MERCHANT_OWNER)
            assert told == (404, "merchant_staff_unknown")
    move = {"shop_id": str(world.theirs.shop_id)}
    path = f"/merchant/staff/{colleague(world)}/move"
    assert _posted(world, path, move, Role.MERCHANT_OWNER) == (404, "shop_unknown")


def staff_join_our_own_shops(world: World) -> None:
    for shop_id in (world.theirs.shop_id, new_id()):
        body = {"role": "clerk", "display_name": "窗口", "shop_id": str(shop_id)}
        told = _posted(world, "/merchant/staff-invitations", body, Role.MERCHANT_OWNER)
        assert told == (404, "shop_unknown")


def a_shop_under_their_id_stays_theirs(world: World) -> None:
    body = {"shop_id": str(world.theirs.shop_id), "name": "门店"}
    told = _posted(world, "/merchant/shops", body, Role.MERCHANT_OWNER)
    assert told == (422, "id_reused")

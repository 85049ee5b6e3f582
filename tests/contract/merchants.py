"""Applications, suspensions and staff of merchants for requests that work."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from app.kernel.ids import new_id
from app.merchants.operations import assign_staff
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import World, sent
from tests.members.api import PASSWORD
from tests.merchants.applying import Applicant
from tests.redemptions.builders import API, make_staff

REASON = {"reason": "资料已经核对无误"}


def other_operator(world: World) -> dict[str, str]:
    return world.theirs.callers[Role.OPERATOR].headers


def applied(world: World) -> Applicant:
    applicant = Applicant(world.client)
    assert applicant.apply().status_code == 201
    return applicant


def proposed(world: World) -> Applicant:
    applicant = applied(world)
    path = f"/merchant-applications/{applicant.application_id}/proposal"
    sent(world.client, path, REASON, other_operator(world))
    return applicant


def approved(world: World) -> Applicant:
    applicant = proposed(world)
    path = f"/merchant-applications/{applicant.application_id}/confirmation"
    sent(world.client, path, REASON, world.ours.callers[Role.OPERATOR].headers)
    return applicant


def _of_application(make: Callable[[World], Applicant]) -> Callable[[World], Made]:
    return lambda world: (dict(REASON), {"application_id": make(world).application_id}, {})


def _ticket(make: Callable[[World], Applicant]) -> Callable[[World], Made]:
    return lambda world: (make(world).ticket, {}, {})


def _page(world: World) -> Made:
    return None, {}, {"limit": 2, "before": applied(world).application_id}


def _suspension(world: World) -> dict[str, Any]:
    return {"suspension_id": str(new_id()), "merchant_id": idle_merchant(world), **REASON}


def idle_merchant(world: World) -> str:
    """A merchant that nobody else needs."""
    told = world.client.post(f"{API}/merchant-applications/status", json=approved(world).ticket)
    return str(told.get_json()["merchant_id"])


def _suspended(world: World) -> Made:
    body = _suspension(world)
    sent(world.client, "/merchant-suspensions", body, other_operator(world))
    return dict(REASON), {"suspension_id": body["suspension_id"]}, {}


def colleague(world: World, *, of_theirs: bool = False) -> str:
    """A clerk of our merchant (or theirs) whom nobody else needs."""
    party = world.theirs if of_theirs else world.ours
    staff_id, _ = make_staff(world.app, Role.CLERK)
    with world.app.app_context():
        assign_staff(
            staff_id=staff_id, merchant_id=party.merchant_id, shop_id=party.shop_id, role="clerk"
        )
    return str(staff_id)


def _invitation(world: World) -> dict[str, Any]:
    return {"role": "clerk", "display_name": "二号窗口", "shop_id": str(world.ours.shop_id)}


def _acceptance(world: World) -> Made:
    owner = world.ours.callers[Role.MERCHANT_OWNER].headers
    made = sent(world.client, "/merchant/staff-invitations", _invitation(world), owner)
    username = f"clerk-{secrets.token_hex(8)}"
    return {"code": made["code"], "username": username, "password": PASSWORD}, {}, {}


def _new_shop(_: World) -> Made:
    place = {"address": "解放路 1 号", "latitude_e6": 29_078_000, "longitude_e6": 119_647_000}
    return {"shop_id": str(new_id()), "name": "江南店", **place}, {}, {}


MERCHANTS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/commitment-texts"): lambda _: (
        {"title": "诚信经营承诺书", "body": f"我单位承诺诚信经营。{new_id()}", **REASON}, {}, {}
    ),
    ("POST", "/merchant-applications"): lambda world: (Applicant(world.client).body(), {}, {}),
    ("POST", "/merchant-applications/status"): _ticket(applied),
    ("POST", "/merchant-applications/owner-invitation"): _ticket(approved),
    ("GET", "/merchant-applications"): _page,
    ("POST", "/merchant-applications/<uuid:application_id>/contact"): _of_application(applied),
    ("POST", "/merchant-applications/<uuid:application_id>/proposal"): _of_application(applied),
    ("POST", "/merchant-applications/<uuid:application_id>/confirmation"): _of_application(
        proposed
    ),
    ("POST", "/merchant-applications/<uuid:application_id>/refusal"): _of_application(applied),
    ("POST", "/merchant-suspensions"): lambda world: (_suspension(world), {}, {}),
    ("POST", "/merchant-suspensions/<uuid:suspension_id>/lifting"): _suspended,
    ("POST", "/merchant/shops"): _new_shop,
    ("POST", "/merchant/staff-invitations"): lambda world: (_invitation(world), {}, {}),
    ("POST", "/staff-invitations/acceptance"): _acceptance,
    ("POST", "/merchant/staff/<uuid:staff_id>/move"): lambda world: (
        {"shop_id": str(world.ours.shop_id)}, {"staff_id": colleague(world)}, {}
    ),
    ("POST", "/merchant/staff/<uuid:staff_id>/end"): lambda world: (
        None, {"staff_id": colleague(world)}, {}
    ),
}

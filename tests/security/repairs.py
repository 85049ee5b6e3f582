"""S9, S10 for credit repairs: what comes of another's record and notice."""

from __future__ import annotations

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.repairs import applied, repair
from tests.contract.world import World, sent
from tests.redemptions.builders import API


def repairs_are_of_our_own_records(world: World) -> None:
    body, headers = repair(world, world.theirs), world.ours.citizen.headers
    for number in (body["record_number"], "F-nobodys"):
        told = world.client.post(
            f"{API}/me/repairs", json=body | {"record_number": number}, headers=headers
        )
        assert (told.status_code, told.get_json()["code"]) == (404, "adverse_record_unknown")


def notices_are_our_own(world: World) -> None:
    """Their clerk was told how their citizen stands; our clerk reads nothing of it."""
    theirs = world.theirs
    application_id = applied(world, theirs)
    passed = world.client.post(f"{API}/me/pass-code", headers=theirs.citizen.headers).get_json()
    body = {"shop_id": str(theirs.shop_id), "code": passed["code"]}
    sent(world.client, "/redemptions/preview", body, theirs.clerk.headers)
    decision = {"outcome": "granted", "reasons": "已履行"}
    operator = theirs.callers[Role.OPERATOR].headers
    sent(world.client, f"/repairs/{application_id}/decision", decision, operator)
    notices = f"{API}/end-notices?limit=100"
    told = world.client.get(notices, headers=theirs.clerk.headers).get_json()["notices"]
    assert told
    for role in (Role.CLERK, Role.SOURCE):
        for query in ("", f"&after={new_id()}", f"&after={told[0]['notice_id']}"):
            page = world.client.get(notices + query, headers=world.ours.callers[role].headers)
            assert page.status_code == 200
            assert str(theirs.clerk.subject_id) not in page.text

"""S9, S10 for complaints: what comes of another's."""

from __future__ import annotations

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.complaints import complained, complaint
from tests.contract.world import World
from tests.redemptions.builders import API


def their_complaints_are_unknown(world: World) -> None:
    """A complaint about another merchant is answered like one that nobody made."""
    owner = world.ours.callers[Role.MERCHANT_OWNER].headers
    for complaint_id in (complained(world, world.theirs), str(new_id())):
        for act, body in (("text", None), ("answer", {"text": "已处理"})):
            path = f"{API}/merchant/complaints/{complaint_id}/{act}"
            told = world.client.post(path, json=body, headers=owner)
            assert (told.status_code, told.get_json()["code"]) == (404, "complaint_unknown")


def complaints_are_about_our_own_redemptions(world: World) -> None:
    body = complaint(world, world.theirs)
    citizen = world.ours.citizen.headers
    for voucher_id in (body["voucher_id"], str(new_id())):
        changed = {**body, "voucher_id": voucher_id}
        told = world.client.post(f"{API}/me/complaints", json=changed, headers=citizen)
        assert (told.status_code, told.get_json()["code"]) == (404, "redemption_unknown")


def pages_of_complaints_hold_our_own(world: World) -> None:
    foreign = complained(world, world.theirs)
    for path, role in (
        ("/me/complaints", Role.CITIZEN), ("/merchant/complaints", Role.MERCHANT_OWNER),
    ):  # fmt: skip
        headers = world.ours.callers[role].headers
        for query in ("limit=100", f"limit=100&before={foreign}"):
            page = world.client.get(f"{API}{path}?{query}", headers=headers)
            assert page.status_code == 200
            assert foreign not in page.get_data(as_text=True)


def everybody_reads_any_merchants_page(world: World) -> None:
    """It is public: the same for whoever asks."""
    path = f"{API}/public/merchants/{world.theirs.merchant_id}"
    asked = [world.client.get(path, headers=world.ours.citizen.headers), world.client.get(path)]
    assert [one.status_code for one in asked] == [200, 200]
    assert asked[0].get_json() == asked[1].get_json()

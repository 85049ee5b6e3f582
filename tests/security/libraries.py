"""S9, S10 for libraries: what comes of another's shop, reference, waiver or machine."""

from __future__ import annotations

from app.kernel.ids import new_id
from tests.contract.libraries import holder_of, library_of, machine_of, registered
from tests.contract.world import World
from tests.library.reading_room import READER, done, refusal
from tests.redemptions.builders import API


def desks_stay_in_their_shop(world: World) -> None:
    ours, theirs = library_of(world, world.ours), library_of(world, world.theirs)
    code = holder_of(world, world.ours).pass_code(world.client)
    foreign = str(theirs.clerk.shop_id)
    assert refusal(ours.at_desk("standing", code=code, shop_id=foreign)) == "wrong_shop"
    receipt = registered(world, world.theirs)["receipt"]
    reference = theirs.asked(holder_of(world, world.theirs))["reference"]
    assert refusal(ours.register(reference)) == "reference_foreign"
    assert refusal(ours.at_desk("waivers/return", receipt=receipt)) == "library_waiver_unknown"
    assert done(ours.at_desk("waivers/find", reader_reference=READER))["waivers"] == []
    assert theirs.standing() != []
    done(theirs.at_desk("waivers/return", receipt=receipt))


def machines_are_their_owners(world: World) -> None:
    ours = library_of(world, world.ours)
    for machine_id in (machine_of(world, world.theirs), str(new_id())):
        path = f"{API}/library/machines/{machine_id}"
        secret = world.client.post(f"{path}/secret", headers=ours.owner)
        assert refusal(secret) == "library_machine_unknown"
        stop = world.client.post(
            f"{path}/suspension", json={"suspended": True}, headers=ours.owner
        )
        assert refusal(stop) == "library_machine_unknown"


def machines_stand_in_their_owners_shops(world: World) -> None:
    ours = library_of(world, world.ours)
    for shop_id in (str(world.theirs.shop_id), str(new_id())):
        body = {"machine_id": str(new_id()), "shop_id": shop_id, "name": "自助机"}
        made = world.client.post(f"{API}/library/machines", json=body, headers=ours.owner)
        assert refusal(made) == "shop_unknown"

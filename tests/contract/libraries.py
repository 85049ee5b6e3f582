"""Libraries for requests that work: body and address, made anew for each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.benefits import operations as benefits
from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import Party, World
from tests.library.reading_room import READER, Library, done
from tests.redemptions.builders import (
    LIBRARY_VALUES,
    Citizen,
    Clerk,
    publish_benefit,
    set_tier,
)


def library_of(world: World, party: Party) -> Library:
    """A party's own shop as a library."""
    code = publish_benefit(
        world.app, code="reading_here", kind="entitlement", values=LIBRARY_VALUES,
        consent_purpose="library",
    )  # the same each time
    with world.app.app_context():
        benefits.let_merchant_take(benefit_code=code, merchant_id=party.merchant_id)
    clerk = party.clerk
    return Library(
        world.client,
        Clerk(
            clerk.subject_id, clerk.session_id, party.merchant_id, party.shop_id, clerk.headers
        ),
        party.callers[Role.MERCHANT_OWNER].headers,
    )


def holder_of(world: World, party: Party) -> Citizen:
    """A party's citizen, whose deposit is waived."""
    citizen = party.citizen
    set_tier(world.app, citizen.subject_id, "AAA")  # a score may have been computed since
    return Citizen(citizen.subject_id, citizen.session_id, citizen.headers)


def registered(world: World, party: Party) -> dict[str, Any]:
    """A waiver that stands; the one before was returned."""
    library = library_of(world, party)
    for waiver in library.standing():
        done(library.at_desk("waivers/return", receipt=waiver["receipt"]))
    return library.registered(holder_of(world, party))


def _of_reader(world: World) -> dict[str, Any]:
    registered(world, world.ours)
    return {"reader_reference": READER}


def _desk(make: Callable[[World], dict[str, Any]]) -> Callable[[World], Made]:
    def made(world: World) -> Made:
        library_of(world, world.ours)
        return {"shop_id": str(world.ours.shop_id), **make(world)}, {}, {}

    return made


def _new_waiver(world: World) -> dict[str, Any]:
    waiver = registered(world, world.ours)
    library = library_of(world, world.ours)
    done(library.at_desk("waivers/return", receipt=waiver["receipt"]))
    reference = library.asked(holder_of(world, world.ours))["reference"]
    return {
        "waiver_id": str(new_id()), "reference": reference, "kind": "reader",
        "reader_reference": READER,
    }


def _new_machine(world: World) -> Made:
    body = {
        "machine_id": str(new_id()), "shop_id": str(world.ours.shop_id), "name": "自助机",
        "encoding": "gb18030",
    }
    return body, {}, {}


def machine_of(world: World, party: Party) -> str:
    """The id of a party's own machine."""
    made = library_of(world, party).make_machine()
    return str(made["machine"]["machine_id"])


LIBRARIES: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/library/standing"): _desk(
        lambda world: {"code": holder_of(world, world.ours).pass_code(world.client)}
    ),
    ("POST", "/library/waivers"): _desk(_new_waiver),
    ("GET", "/library/waivers"): lambda world: (
        None, {}, {"shop_id": str(world.ours.shop_id), "limit": 2}
    ),
    ("POST", "/library/waivers/return"): _desk(
        lambda world: {"receipt": registered(world, world.ours)["receipt"]}
    ),
    ("POST", "/library/waivers/find"): _desk(_of_reader),
    ("GET", "/me/library-waivers"): lambda _: (None, {}, {"limit": 2}),
    ("POST", "/library/machines"): _new_machine,
    ("POST", "/library/machines/<uuid:machine_id>/secret"): lambda world: (
        None, {"machine_id": machine_of(world, world.ours)}, {}
    ),
    ("POST", "/library/machines/<uuid:machine_id>/suspension"): lambda world: (
        {"suspended": True}, {"machine_id": machine_of(world, world.ours)}, {}
    ),
}

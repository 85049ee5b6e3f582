"""S9, S10 for transit: what comes of another operator's account or file."""

from __future__ import annotations

from app.kernel.ids import new_id
from tests.contract.transit import company_of, file_of, rider_of, uploaded
from tests.contract.world import World
from tests.redemptions.builders import API
from tests.service_orders.shop import done, refusal


def their_accounts_are_unknown(world: World) -> None:
    ours, theirs = company_of(world, world.ours), company_of(world, world.theirs)
    for account_id in (theirs.account_of(rider_of(world.theirs)), new_id()):
        assert refusal(ours.ask(account_id=account_id)) == "transit_account_unknown"


def an_account_with_an_operator_is_the_callers_own(world: World) -> None:
    ours = company_of(world, world.ours)
    company_of(world, world.theirs)
    assert ours.account_of(rider_of(world.ours)) != ours.account_of(rider_of(world.theirs))


def their_files_are_unknown(world: World) -> None:
    ours = company_of(world, world.ours)
    theirs = str(file_of(world, world.theirs))
    for kind in ("jsonl", "jws"):
        for file_id in (theirs, str(new_id())):
            answer = ours.get(f"/transit/files/{file_id}.{kind}")
            assert refusal(answer) == "transit_file_unknown"
    listed = done(ours.get("/transit/files?limit=100"))["files"]
    assert theirs not in {one["file_id"] for one in listed}


def batches_tell_of_our_own_riders(world: World) -> None:
    """Their account is unknown to us, and their batch's id is free for ours."""
    ours = company_of(world, world.ours)
    theirs = uploaded(world, world.theirs)
    body = {"batch_id": str(new_id()), "trips": [theirs]}
    [told] = done(ours.post("/transit/batches", body))["rows"]
    assert (told["outcome"], told["reason"]) == ("parked", "account_unknown")
    with_theirs = company_of(world, world.theirs)
    [again] = done(with_theirs.post("/transit/batches", body))["rows"]
    assert (again["outcome"], again["reason"]) == ("known", None)
    mine = ours.client.get(f"{API}/me/transit/trips", headers=rider_of(world.ours).headers)
    assert theirs["trip_id"] not in {one["trip_id"] for one in done(mine)["trips"]}

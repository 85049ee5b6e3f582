"""S9, S10 for objections: what comes of another's."""

from __future__ import annotations

import io

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.objections import asked, attached, objected, objection
from tests.contract.world import World
from tests.objections.desk import PNG
from tests.redemptions.builders import API

OWN = f"{API}/me/objections"
ASKED = f"{API}/source/objections"


def objections_are_about_our_own(world: World) -> None:
    body, headers = objection(world, world.theirs), world.ours.citizen.headers
    for item_id in (body["item_id"], str(new_id())):
        told = world.client.post(OWN, json=body | {"item_id": item_id}, headers=headers)
        assert (told.status_code, told.get_json()["code"]) == (404, "objection_item_unknown")


def their_objections_are_unknown(world: World) -> None:
    """An id of theirs in the address is answered like one that nobody has."""
    theirs, headers = attached(world, world.theirs), world.ours.citizen.headers
    for objection_id in (theirs["objection_id"], str(new_id())):
        at = f"{OWN}/{objection_id}"
        form = {"attachment_id": str(new_id()), "file": (io.BytesIO(PNG), "x.png")}
        told = [
            world.client.get(at, headers=headers),
            world.client.post(f"{at}/second-look", headers=headers),
            world.client.post(f"{at}/attachments", data=form, headers=headers),
        ]
        assert {one.get_json()["code"] for one in told} == {"objection_unknown"}
        opened = f"{at}/attachments/{theirs['attachment_id']}"
        answer = world.client.get(opened, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "attachment_unknown")


def pages_of_objections_hold_our_own(world: World) -> None:
    foreign, headers = objected(world, world.theirs), world.ours.citizen.headers
    for query in ("limit=100", f"limit=100&before={foreign}"):
        page = world.client.get(f"{OWN}?{query}", headers=headers)
        assert page.status_code == 200
        assert foreign not in page.get_data(as_text=True)


def sources_are_asked_about_their_own_records(world: World) -> None:
    foreign, headers = asked(world, world.theirs), world.ours.callers[Role.SOURCE].headers
    assert foreign not in world.client.get(f"{ASKED}?limit=100", headers=headers).text
    before = world.client.get(f"{ASKED}?limit=100&after={foreign}", headers=headers)
    assert foreign not in before.text
    for objection_id in (foreign, str(new_id())):
        at = f"{ASKED}/{objection_id}"
        told = [
            world.client.get(at, headers=headers),
            world.client.post(
                f"{at}/answer", json={"answer": "uphold", "reason": "核对"}, headers=headers
            ),
            world.client.post(
                f"{at}/extension", json={"reason": "需要更多时间"}, headers=headers
            ),
        ]
        assert {one.get_json()["code"] for one in told} == {"objection_unknown"}

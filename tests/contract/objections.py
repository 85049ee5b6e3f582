"""Objections for requests that work: each about something that was made for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.complaints import redeemed
from tests.contract.orders import Made
from tests.contract.world import Party, World, sent
from tests.objections.desk import PNG
from tests.records.api import upload
from tests.records.programme import HOURS, csv_file
from tests.redemptions.builders import API

REASON = {"reason": "核对异议材料"}
OWN = "/me/objections"
OBJECTION = "/objections/<uuid:objection_id>"
ASKED = "/source/objections"
_CLOSE = text("""
    UPDATE objections SET state = 'decided', proposed_by = NULL, proposal_sealed = NULL
    WHERE citizen_id = :citizen
""")


def objection(world: World, party: Party) -> dict[str, Any]:
    """An objection to a redemption; those before it make room."""
    with world.app.app_context(), transaction() as session:
        session.execute(_CLOSE, {"citizen": party.citizen.subject_id})
    return {
        "objection_id": str(new_id()), "kind": "redemption", "item_id": redeemed(world, party),
        "reason": "other", "words": "当天没有去过这家店",
    }


def objected(world: World, party: Party) -> str:
    """A filed objection."""
    body = objection(world, party)
    sent(world.client, OWN, body, party.citizen.headers)
    return str(body["objection_id"])


def asked(world: World, party: Party) -> str:
    """An objection to a record that the party's source delivered."""
    number = f"N-{new_id()}"
    row = [number, "1", "有效", party.person.id_number, "2026-05-02", "2", "清洁"]
    source = party.callers[Role.SOURCE].headers
    taken = upload(world.client, source, csv_file(HOURS, row), record_type=HOURS)
    assert taken.status_code in {200, 202}, taken.get_json()
    world.work_off_line()
    body = objection(world, party) | {
        "kind": "record", "record_type": HOURS, "record_number": number,
    }
    body.pop("item_id")
    sent(world.client, OWN, body, party.citizen.headers)
    return str(body["objection_id"])


def proposed(world: World, party: Party) -> str:
    """An objection to a record that another operator proposes to void."""
    objection_id = asked(world, party)
    body = {"outcome": "upheld", "remedy": "voided", "reasons": "经核对不属实"}
    other = world.theirs.callers[Role.OPERATOR].headers
    sent(world.client, f"/objections/{objection_id}/decision", body, other)
    return objection_id


def rejected(world: World, party: Party) -> str:
    """An objection that was rejected."""
    objection_id = objected(world, party)
    body = {"outcome": "rejected", "reasons": "经核对属实"}
    other = world.theirs.callers[Role.OPERATOR].headers
    sent(world.client, f"/objections/{objection_id}/decision", body, other)
    return objection_id


def attached(world: World, party: Party) -> dict[str, str]:
    """Where an attachment stands."""
    objection_id, attachment_id = objected(world, party), str(new_id())
    form = {"attachment_id": attachment_id, "file": (io.BytesIO(PNG), "x.png")}
    made = world.client.post(
        f"{API}{OWN}/{objection_id}/attachments", data=form, headers=party.citizen.headers
    )
    assert made.status_code == 201, made.get_json()
    return {"objection_id": objection_id, "attachment_id": attachment_id}


def _of(
    make: Callable[[World, Party], str], body: dict[str, Any] | None = None
) -> Callable[[World], Made]:
    return lambda world: (body, {"objection_id": make(world, world.ours)}, {})


OBJECTIONS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", OWN): lambda world: (objection(world, world.ours), {}, {}),
    ("GET", OWN): lambda _: (None, {}, {"limit": 2}),
    ("GET", f"{OWN}/<uuid:objection_id>"): _of(objected),
    ("POST", f"{OWN}/<uuid:objection_id>/second-look"): _of(rejected),
    ("POST", f"{OWN}/<uuid:objection_id>/attachments"): lambda world: (
        {"attachment_id": str(new_id()), "file": PNG},
        {"objection_id": objected(world, world.ours)}, {},
    ),
    ("GET", f"{OWN}/<uuid:objection_id>/attachments/<uuid:attachment_id>"): lambda world: (
        None, attached(world, world.ours), {},
    ),
    ("GET", ASKED): lambda _: (None, {}, {"limit": 2}),
    ("GET", f"{ASKED}/<uuid:objection_id>"): _of(asked),
    ("POST", f"{ASKED}/<uuid:objection_id>/answer"): _of(
        asked, {"answer": "uphold", "reason": "核对无误"}
    ),
    ("POST", f"{ASKED}/<uuid:objection_id>/extension"): _of(asked, REASON),
    ("GET", "/objections"): lambda _: (None, {}, {"limit": 2, "at_risk": False}),
    ("POST", f"{OBJECTION}/reading"): _of(objected, REASON),
    ("POST", f"{OBJECTION}/attachments/<uuid:attachment_id>/reading"): lambda world: (
        REASON, attached(world, world.ours), {},
    ),
    ("POST", f"{OBJECTION}/decision"): _of(
        objected, {"outcome": "upheld", "remedy": "other", "reasons": "已联系商户处理"}
    ),
    ("POST", f"{OBJECTION}/confirmation"): _of(proposed, {"is_confirmed": True}),
}

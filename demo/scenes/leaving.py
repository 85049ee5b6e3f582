"""Leaving: one step, at once, with a signed receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from demo.api import Api
from demo.signatures import verify_detached
from demo.telling import tell

if TYPE_CHECKING:
    from demo.journey import Scene
    from demo.setting import Shop


def leave(scene: Scene, *, library: Shop, citizen: Api, name: str) -> None:
    """Leave; the code on the phone and the session are dead, the receipt holds."""
    code = citizen.post("/me/pass-code")["code"]
    signed = citizen.post("/me/leave", {"confirmed": True})
    kid = verify_detached(signed["receipt"].encode(), signed["signature"], scene.key_set)
    tell(f"{name} leaves in one step and keeps a receipt, signed by key {kid}:")
    receipt = orjson.loads(signed["receipt"])
    for said, value in receipt.items():
        tell(f"   {said}: {value}")
    dead = library.clerk.post(
        "/redemptions/preview", {"shop_id": library.shop_id, "code": code}, expect=409
    )
    tell(f"the code that was on the phone is dead: {dead['code']}: {dead['advice']}")
    out = citizen.get("/me", expect=401)
    tell(f"so is the session: {out['status']} {out['code']}")

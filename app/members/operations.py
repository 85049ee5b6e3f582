"""What can be done with members; the topics stand in the modules beside this one."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from app.kernel.keys import KeyProvider
from app.members.register import NewMember, Registered, register_members
from app.trail.operations import SYSTEM, Actor

__all__ = ["NewMember", "Registered", "register_member", "register_members"]


def register_member(
    *,
    keys: KeyProvider,
    name: str,
    id_number: str,
    phone: str | None,
    joined_on: date,
    channel: str = "register",
    actor: Actor = SYSTEM,
) -> UUID:
    """Register one person in the open transaction: the citizen's id, an old or a new one."""
    person = NewMember(name=name, id_number=id_number, phone=phone, joined_on=joined_on)
    found = register_members(keys=keys, people=[person], channel=channel, actor=actor)
    return found[0].citizen_id

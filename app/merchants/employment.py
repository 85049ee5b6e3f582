"""Owners and clerks come by one-time code, move between shops, and are ended at once.

A role never changes: a clerk who becomes an owner is ended and invited anew.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.operations import NewStaff, add_staff, close_staff
from app.merchants import refusals
from app.merchants.applications import APPROVED, follow
from app.merchants.devices import CODE_BYTES, Invitation, merchant_of_owner
from app.merchants.models import MerchantStaff, Shop, StaffInvitation, StaffInvitationUse
from app.merchants.operations import Assignment, RegisteredShop
from app.trail.operations import Actor, record_act

INVITATION_LIFE: Final = timedelta(days=3)
OWNER: Final = "merchant_owner"


def invite_first_owner(*, application_id: UUID, secret: str) -> Invitation:
    """A code for the owner of an approved application; asked for again, another of the same.

    However many codes there are, they open one account.  Refuses `application_unknown`,
    `application_not_approved`, `staff_invitation_unknown` (used).
    """
    found = follow(application_id=application_id, secret=secret)
    if found.state != APPROVED or found.merchant_id is None:
        raise refusals.ApplicationNotApproved
    with transaction() as session:
        if session.get(StaffInvitationUse, application_id) is not None:
            raise refusals.StaffInvitationUnknown
        return _invite(
            session, invitation_id=application_id, merchant_id=found.merchant_id, shop_id=None,
            role=OWNER, display_name=f"{found.name}店长", invited_by=None,
        )


def invite_staff(
    *, owner_id: UUID, role: str, display_name: str, shop_id: UUID | None
) -> Invitation:
    """A code that opens one account of the owner's merchant; without a shop it works in all.

    Refuses `not_merchant_staff`, `shop_unknown`.
    """
    with transaction() as session:
        merchant_id = merchant_of_owner(session, owner_id)
        _require_shop(session, merchant_id, shop_id)
        return _invite(
            session, invitation_id=new_id(), merchant_id=merchant_id, shop_id=shop_id,
            role=role, display_name=display_name, invited_by=owner_id,
        )


def accept_invitation(
    *, keys: KeyProvider, code: str, username: str, password: str
) -> NewStaff:
    """Open the account that a code is for; its owner chooses name and password.

    Refuses `staff_invitation_unknown`, `username_invalid`, `username_taken`, `password_weak`.
    """
    with transaction() as session:
        invitation = session.get(StaffInvitation, _hash(code))
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        if invitation is None or invitation.expires_at <= now:
            raise refusals.StaffInvitationUnknown
        made = add_staff(
            keys=keys, username=username, password=password, role=invitation.role,
            display_name=invitation.display_name,
        )
        used = session.scalar(
            insert(StaffInvitationUse)
            .values(invitation_id=invitation.invitation_id, staff_id=made.staff_id)
            .on_conflict_do_nothing()
            .returning(StaffInvitationUse.invitation_id)
        )
        if used is None:
            raise refusals.StaffInvitationUnknown
        session.add(MerchantStaff(
            staff_id=made.staff_id, merchant_id=invitation.merchant_id,
            shop_id=invitation.shop_id, role=invitation.role,
        ))
    return made


def move_staff(*, owner_id: UUID, staff_id: UUID, shop_id: UUID | None) -> Assignment:
    """Let somebody of the owner's merchant work in another shop, or in all (None).

    Refuses `not_merchant_staff`, `merchant_staff_unknown`, `shop_unknown`.
    """
    with transaction() as session:
        held = _require_colleague(session, owner_id, staff_id)
        _require_shop(session, held.merchant_id, shop_id)
        held.shop_id = shop_id
        session.flush()
        record_act(
            actor=Actor(OWNER, owner_id), action="staff_moved",
            subject=f"{staff_id} to {shop_id or 'all shops'}",
        )
        return _assignment(held)


def end_staff(*, owner_id: UUID, staff_id: UUID) -> Assignment:
    """End somebody's work: the account is closed and its sessions are dead when this returns.

    Refuses `not_merchant_staff`, `merchant_staff_unknown`, `own_account`.
    """
    with transaction() as session:
        if staff_id == owner_id:
            raise refusals.OwnAccount
        held = _require_colleague(session, owner_id, staff_id)
        held.active = False
        session.flush()
        close_staff(staff_id=staff_id, actor=Actor(OWNER, owner_id))
        return _assignment(held)


def open_own_shop(*, owner_id: UUID, shop: dict[str, Any]) -> RegisteredShop:
    """Open a shop of the owner's merchant; the same again gives the same shop.

    Refuses `not_merchant_staff`, `id_reused`.
    """
    with transaction() as session:
        line = {**shop, "merchant_id": merchant_of_owner(session, owner_id)}
        session.execute(insert(Shop).values(line).on_conflict_do_nothing())
        held = session.get(Shop, shop["shop_id"])
        if held is None or any(getattr(held, name) != value for name, value in line.items()):
            raise IdReused
        return RegisteredShop(held.shop_id, held.merchant_id, held.name)


def prune_invitations() -> int:
    """Delete the codes that are over; how many."""
    pruning = (
        delete(StaffInvitation)
        .where(StaffInvitation.expires_at < func.now())
        .returning(StaffInvitation.code_hash)
        .execution_options(synchronize_session=False)
    )
    with transaction() as session:
        return len(session.scalars(pruning).all())


def _invite(session: Session, **facts: Any) -> Invitation:
    code = secrets.token_urlsafe(CODE_BYTES)
    expires_at = session.execute(select(func.now())).scalar_one() + INVITATION_LIFE
    session.add(StaffInvitation(code_hash=_hash(code), expires_at=expires_at, **facts))
    return Invitation(code, expires_at)


def _require_shop(session: Session, merchant_id: UUID, shop_id: UUID | None) -> None:
    shop = None if shop_id is None else session.get(Shop, shop_id)
    if shop_id is not None and (shop is None or shop.merchant_id != merchant_id):
        raise refusals.ShopUnknown


def _require_colleague(session: Session, owner_id: UUID, staff_id: UUID) -> MerchantStaff:
    merchant_id = merchant_of_owner(session, owner_id)
    held = session.get(MerchantStaff, staff_id, with_for_update=True)
    if held is None or held.merchant_id != merchant_id or not held.active:
        raise refusals.StaffUnknown
    return held


def _assignment(held: MerchantStaff) -> Assignment:
    return Assignment(held.staff_id, held.merchant_id, held.shop_id, held.role, held.active)


def _hash(code: str) -> bytes:
    return hashlib.sha256(b"staff invitation:" + code.encode()).digest()

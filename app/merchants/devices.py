"""Devices that scan off line: invited by the owner of a shop, enrolled once, switched off at once.

A device makes its own key and proves that it holds it; the platform keeps the public half.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.merchants import refusals
from app.merchants.models import Device, DeviceInvitation, Merchant, MerchantStaff, Shop
from integrity_card_scanner.envelope import BadEnvelopeError, Kind, PublicKey, open_envelope

INVITATION_LIFE: Final = timedelta(minutes=15)
CODE_BYTES: Final = 16


@dataclass(frozen=True)
class Invitation:
    """A code that enrols one device, to be shown to it once."""

    code: str
    expires_at: datetime


@dataclass(frozen=True)
class EnrolledDevice:
    """A device and where it stands."""

    device_id: UUID
    merchant_id: UUID
    shop_id: UUID
    shop_name: str
    name: str
    key: PublicKey
    enrolled_at: datetime
    switched_off_at: datetime | None
    merchant_suspended: bool


def invite_device(*, owner_id: UUID, shop_id: UUID, name: str) -> Invitation:
    """A code with which one device joins a shop of the owner, within INVITATION_LIFE.

    Refuses `not_merchant_staff`, `shop_unknown`.
    """
    code = secrets.token_urlsafe(CODE_BYTES)
    with transaction() as session:
        merchant_id = merchant_of_owner(session, owner_id)
        shop = session.get(Shop, shop_id)
        if shop is None or shop.merchant_id != merchant_id:
            raise refusals.ShopUnknown
        expires_at = session.execute(select(func.now())).scalar_one() + INVITATION_LIFE
        session.add(DeviceInvitation(
            code_hash=_hash(code), device_id=new_id(), shop_id=shop_id, name=name,
            invited_by=owner_id, expires_at=expires_at,
        ))  # fmt: skip
    return Invitation(code, expires_at)


def enrol_device(*, code: str, key: PublicKey, proof: bytes) -> EnrolledDevice:
    """Enrol the device that holds the key; the same key again gives the same device.

    `proof` is the code, signed with the key.  Refuses `device_invitation_unknown`,
    `device_key_unproven`.
    """
    _require_proof(code, key, proof)
    with transaction() as session:
        invitation = session.get(DeviceInvitation, _hash(code))
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        if invitation is None or invitation.expires_at <= now:
            raise refusals.DeviceInvitationUnknown
        line = {
            "device_id": invitation.device_id, "shop_id": invitation.shop_id,
            "name": invitation.name, "suite": key.suite, "public_key": key.public,
        }
        session.execute(insert(Device).values(line).on_conflict_do_nothing())
        held = session.get(Device, invitation.device_id)
        if held is None or not compare_digest(held.public_key, key.public):
            raise refusals.DeviceInvitationUnknown  # used by another device, or the key by another
        found = find_device(device_id=invitation.device_id)
    assert found is not None
    return found


def switch_off_device(*, device_id: UUID, owner_id: UUID | None) -> EnrolledDevice:
    """Switch a lost or stolen device off, for good; without an owner: any device.

    Refuses `device_unknown`, `not_merchant_staff`.
    """
    with transaction() as session:
        held = session.scalars(
            select(Device).where(Device.device_id == device_id).with_for_update(of=Device)
        ).one_or_none()
        shop = None if held is None else session.get_one(Shop, held.shop_id)
        own = owner_id is None or (
            shop is not None and shop.merchant_id == merchant_of_owner(session, owner_id)
        )
        if held is None or not own:
            raise refusals.DeviceUnknown
        if held.switched_off_at is None:
            held.switched_off_at = session.execute(select(func.clock_timestamp())).scalar_one()
            session.flush()
        found = find_device(device_id=device_id)
    assert found is not None
    return found


def list_own_devices(*, owner_id: UUID) -> list[EnrolledDevice]:
    """The devices of the owner's merchant.  Refuses `not_merchant_staff`."""
    with reading() as session:
        merchant_id = merchant_of_owner(session, owner_id)
        query = _devices().where(Shop.merchant_id == merchant_id).order_by(Device.enrolled_at)
        return [_enrolled(*row) for row in session.execute(query)]


def find_device(*, device_id: UUID) -> EnrolledDevice | None:
    """A device, switched off or not."""
    with reading() as session:
        row = session.execute(_devices().where(Device.device_id == device_id)).one_or_none()
        return None if row is None else _enrolled(*row)


def count_live_devices() -> dict[UUID, int]:
    """How many devices are enrolled and not switched off, by merchant."""
    query = (
        select(Shop.merchant_id, func.count())
        .join(Device, Device.shop_id == Shop.shop_id)
        .where(Device.switched_off_at.is_(None))
        .group_by(Shop.merchant_id)
    )
    with reading() as session:
        return dict(session.execute(query).all())


def _require_proof(code: str, key: PublicKey, proof: bytes) -> None:
    try:
        opened = open_envelope(proof, Kind.ENROLMENT, lambda _: key)
    except BadEnvelopeError as error:
        raise refusals.DeviceKeyUnproven from error
    if not compare_digest(opened.payload, code.encode()):
        raise refusals.DeviceKeyUnproven


def merchant_of_owner(session: Session, owner_id: UUID) -> UUID:
    """The merchant that somebody owns; NotMerchantStaff otherwise."""
    owner = session.get(MerchantStaff, owner_id)
    if owner is None or not owner.active or owner.role != "merchant_owner":
        raise refusals.NotMerchantStaff
    return owner.merchant_id


def _hash(code: str) -> bytes:
    return hashlib.sha256(b"device invitation:" + code.encode()).digest()


def _devices() -> Select[Device, Shop, bool]:
    return (
        select(Device, Shop, Merchant.suspended)
        .join(Shop, Shop.shop_id == Device.shop_id)
        .join(Merchant, Merchant.merchant_id == Shop.merchant_id)
    )


def _enrolled(device: Device, shop: Shop, suspended: bool, /) -> EnrolledDevice:  # noqa: FBT001
    return EnrolledDevice(
        device.device_id, shop.merchant_id, shop.shop_id, shop.name, device.name,
        PublicKey(device.suite, device.public_key), device.enrolled_at, device.switched_off_at,
        suspended,
    )

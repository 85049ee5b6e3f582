"""Reading merchants: who works where."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text

from app.kernel.database import reading, transactions_begin_with
from app.kernel.errors import refusal
from app.merchants import refusals
from app.merchants.models import Device, Merchant, MerchantStaff, Shop

_PERMIT = text("SELECT p.code, p.merchant_id, p.shop_name FROM merchant_scan_permit(:s, :i, :h) p")


@dataclass(frozen=True)
class ScanPermit:
    """That a clerk may scan in a shop."""

    merchant_id: UUID
    shop_name: str


def behind_wall(*, staff_id: UUID) -> AbstractContextManager[None]:
    """A block whose transactions see the rows of this person's merchant alone (ADR 16)."""
    return transactions_begin_with(select(func.merchant_enter_wall(staff_id)))


def require_scan_permit(*, staff_id: UUID, session_id: UUID, shop_id: UUID) -> ScanPermit:
    """The permit of a clerk in a shop.

    Refuses `unauthenticated`, `not_merchant_staff`, `merchant_suspended`, `wrong_shop`.
    """
    with reading() as session:
        row = session.execute(_PERMIT, {"s": staff_id, "i": session_id, "h": shop_id}).one()
    if row.code is not None:
        raise refusal(row.code)
    return ScanPermit(row.merchant_id, row.shop_name)


def require_open_shop(*, shop_id: UUID) -> ScanPermit:
    """What a machine in a shop goes by.  Refuses `shop_unknown`, `merchant_suspended`."""
    query = select(Shop.merchant_id, Shop.name, Merchant.suspended).join(Merchant)
    with reading() as session:
        row = session.execute(query.where(Shop.shop_id == shop_id)).one_or_none()
    if row is None:
        raise refusals.ShopUnknown
    if row.suspended:
        raise refusals.MerchantSuspended
    return ScanPermit(row.merchant_id, row.name)
def require_active_merchant(*, merchant_id: UUID) -> str:
    """The name of a merchant.  Refuses `merchant_unknown`, `merchant_suspended`."""
    with reading() as session:
        merchant = session.get(Merchant, merchant_id)
    if merchant is None:
        raise refusals.MerchantUnknown
    if merchant.suspended:
        raise refusals.MerchantSuspended
    return merchant.name


def list_actors(*, merchant_id: UUID) -> list[UUID]:
    """Whoever acted for a merchant, by the ids in the trail: staff and devices, ended ones too."""
    staff = select(MerchantStaff.staff_id).where(MerchantStaff.merchant_id == merchant_id)
    devices = (
        select(Device.device_id).join(Shop, Shop.shop_id == Device.shop_id)
        .where(Shop.merchant_id == merchant_id)
    )
    with reading() as session:
        return [*session.scalars(staff), *session.scalars(devices)]


def list_shops_of_staff(*, staff_id: UUID) -> list[tuple[UUID, str]]:
    """The shops (id, name) where somebody works: one, or all of the merchant."""
    query = (
        select(Shop.shop_id, Shop.name)
        .join(MerchantStaff, MerchantStaff.merchant_id == Shop.merchant_id)
        .where(
            MerchantStaff.staff_id == staff_id,
            MerchantStaff.active,
            MerchantStaff.shop_id.is_(None) | (MerchantStaff.shop_id == Shop.shop_id),
        )
        .order_by(Shop.created_at, Shop.shop_id)
    )
    with reading() as session:
        return [(row.shop_id, row.name) for row in session.execute(query)]

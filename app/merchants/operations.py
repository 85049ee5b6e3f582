"""Merchants, shops and assignments, made directly by ids the caller made: benchmarks and tests do.

Over HTTP there is one way in: an application that two operators approve (`applications`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.merchants import refusals
from app.merchants.credit_codes import parse_credit_code
from app.merchants.models import Merchant, MerchantStaff, Shop


@dataclass(frozen=True)
class RegisteredMerchant:
    """A merchant as it stands."""

    merchant_id: UUID
    credit_code: str
    name: str
    suspended: bool


@dataclass(frozen=True)
class RegisteredShop:
    """A shop of a merchant."""

    shop_id: UUID
    merchant_id: UUID
    name: str


@dataclass(frozen=True)
class Assignment:
    """Where a staff account works; `shop_id` None means every shop."""

    staff_id: UUID
    merchant_id: UUID
    shop_id: UUID | None
    role: str
    active: bool


def register_merchant(*, merchant_id: UUID, credit_code: str, name: str) -> RegisteredMerchant:
    """Register a merchant; the same id again gives the same merchant.

    Refuses `credit_code_invalid`, `merchant_exists`, `id_reused`.
    """
    code = parse_credit_code(credit_code)
    line = {"merchant_id": merchant_id, "credit_code": code, "name": name}
    with transaction() as session:
        session.execute(insert(Merchant).values(line).on_conflict_do_nothing())
        held = session.get(Merchant, merchant_id)
        if held is None:
            raise refusals.MerchantExists
        if (held.credit_code, held.name) != (code, name):
            raise IdReused
        return RegisteredMerchant(merchant_id, code, name, held.suspended)


def open_shop(*, shop_id: UUID, merchant_id: UUID, name: str) -> RegisteredShop:
    """Open a shop of a merchant; the same id again gives the same shop.

    Refuses `merchant_unknown`, `id_reused`.
    """
    with transaction() as session:
        if session.get(Merchant, merchant_id) is None:
            raise refusals.MerchantUnknown
        line = {"shop_id": shop_id, "merchant_id": merchant_id, "name": name}
        session.execute(insert(Shop).values(line).on_conflict_do_nothing())
        held = session.get_one(Shop, shop_id)
        if (held.merchant_id, held.name) != (merchant_id, name):
            raise IdReused
        return RegisteredShop(shop_id, merchant_id, name)


def assign_staff(
    *,
    staff_id: UUID,
    merchant_id: UUID,
    role: str,
    shop_id: UUID | None = None,
    active: bool = True,
) -> Assignment:
    """Say where a staff account works; a later call moves it between shops or ends it.

    Refuses `merchant_unknown`, `shop_unknown`, `staff_assigned` (to another merchant, or with
    another role).
    """
    with transaction() as session:
        if session.get(Merchant, merchant_id) is None:
            raise refusals.MerchantUnknown
        shop = None if shop_id is None else session.get(Shop, shop_id)
        if shop_id is not None and (shop is None or shop.merchant_id != merchant_id):
            raise refusals.ShopUnknown
        line = {
            "staff_id": staff_id, "merchant_id": merchant_id, "shop_id": shop_id,
            "role": role, "active": active,
        }
        held = session.scalar(
            insert(MerchantStaff)
            .values(line)
            .on_conflict_do_update(
                index_elements=[MerchantStaff.staff_id],
                set_={"shop_id": shop_id, "active": active},
                where=(MerchantStaff.merchant_id == merchant_id) & (MerchantStaff.role == role),
            )
            .returning(MerchantStaff)
        )
        if held is None:
            raise refusals.StaffAssigned
        return Assignment(staff_id, merchant_id, shop_id, role, active)


def list_own_clerks(*, owner_id: UUID) -> list[Assignment]:
    """The staff of the owner's merchant.  Refuses `not_merchant_staff`."""
    with transaction() as session:
        owner = session.get(MerchantStaff, owner_id)
        if owner is None or not owner.active or owner.role != "merchant_owner":
            raise refusals.NotMerchantStaff
        query = (
            select(MerchantStaff)
            .where(MerchantStaff.merchant_id == owner.merchant_id)
            .order_by(MerchantStaff.created_at, MerchantStaff.staff_id)
        )
        return [
            Assignment(row.staff_id, row.merchant_id, row.shop_id, row.role, row.active)
            for row in session.scalars(query)
        ]

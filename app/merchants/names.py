"""Whose merchant somebody owns, and what merchants and shops are called."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from app.kernel.database import reading
from app.merchants.models import Merchant, MerchantStaff, Shop
from app.merchants.refusals import MerchantUnknown, NotMerchantStaff


@dataclass(frozen=True)
class MerchantName:
    """A merchant as papers name it."""

    name: str
    credit_code: str


def require_owned_merchant(*, owner_id: UUID) -> UUID:
    """The merchant of an owner.  Refuses `not_merchant_staff`."""
    with reading() as session:
        owner = session.get(MerchantStaff, owner_id)
        if owner is None or not owner.active or owner.role != "merchant_owner":
            raise NotMerchantStaff
        return owner.merchant_id


def require_merchant(*, merchant_id: UUID) -> None:
    """Refuses `merchant_unknown` when there is none."""
    with reading() as session:
        if session.get(Merchant, merchant_id) is None:
            raise MerchantUnknown


def name_merchants(*, merchant_ids: Collection[UUID]) -> dict[UUID, MerchantName]:
    """What these merchants are called."""
    query = select(Merchant.merchant_id, Merchant.name, Merchant.credit_code).where(
        Merchant.merchant_id.in_(merchant_ids)
    )
    with reading() as session:
        return {
            row.merchant_id: MerchantName(row.name, row.credit_code)
            for row in session.execute(query)
        }


def name_shops(*, merchant_ids: Collection[UUID]) -> dict[UUID, str]:
    """What the shops of these merchants are called."""
    query = select(Shop.shop_id, Shop.name).where(Shop.merchant_id.in_(merchant_ids))
    with reading() as session:
        return {row.shop_id: row.name for row in session.execute(query)}

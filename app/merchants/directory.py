"""Finding merchants: by words, category and distance.  Organisations alone, never persons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, null, select

from app.kernel.database import reading
from app.merchants.categories import OTHER
from app.merchants.models import CommitmentText, Merchant, Shop

WITHIN_METRES_MAX: Final = 100_000
PAGES_MAX: Final = 20
_MILLIONTHS_IN_METRE: Final = 9  # of a degree of latitude: 8.993, rounded up


@dataclass(frozen=True)
class Point:
    """A place in millionths of a degree."""

    latitude_e6: int
    longitude_e6: int


@dataclass(frozen=True)
class ListedShop:
    """A shop that was found; the distance is null without a point to measure from."""

    merchant_id: UUID
    merchant_name: str
    category: str
    shop_id: UUID
    shop_name: str
    address: str | None
    latitude_e6: int | None
    longitude_e6: int | None
    distance_metres: int | None


@dataclass(frozen=True)
class ListedMerchant:
    """What a merchant is, and which commitment it signed when."""

    merchant_id: UUID
    name: str
    credit_code: str
    category: str
    commitment_version: int | None
    commitment_title: str | None
    committed_at: datetime | None


def search(
    *, words: str | None, category: str | None, near: Point | None, within_metres: int,
    limit: int, page: int,
) -> list[ListedShop]:
    """Shops of merchants that are not suspended: the nearest first, or by name."""
    distance = None if near is None else func.merchant_distance_metres(
        near.latitude_e6, near.longitude_e6, Shop.latitude_e6, Shop.longitude_e6
    )
    query = (
        select(Merchant, Shop, null() if distance is None else distance)
        .join(Shop, Shop.merchant_id == Merchant.merchant_id)
        .where(Merchant.suspended.is_(False))
    )
    if words:
        said = func.lower(func.concat_ws(" ", Merchant.name, Shop.name))
        query = query.where(func.strpos(said, words.lower()) > 0)
    if category:
        query = query.where(func.coalesce(Merchant.category, OTHER) == category)
    if near is not None and distance is not None:
        reach = within_metres * _MILLIONTHS_IN_METRE
        query = query.where(
            Shop.latitude_e6.between(near.latitude_e6 - reach, near.latitude_e6 + reach),
            distance <= within_metres,
        ).order_by(distance, Shop.shop_id)
    else:
        query = query.order_by(Merchant.name, Shop.shop_id)
    return _listed(query.limit(limit).offset(limit * (page - 1)))


def find_merchant(*, merchant_id: UUID) -> ListedMerchant | None:
    """A merchant as everybody may know it."""
    query = (
        select(Merchant, CommitmentText.title)
        .outerjoin(CommitmentText, CommitmentText.version == Merchant.text_version)
        .where(Merchant.merchant_id == merchant_id)
    )
    with reading() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    held: Merchant = row[0]
    return ListedMerchant(
        held.merchant_id, held.name, held.credit_code, held.category or OTHER,
        held.text_version, row[1], held.committed_at,
    )


def list_shop_ids(*, merchant_id: UUID) -> list[UUID]:
    """The shops of a merchant."""
    with reading() as session:
        return list(session.scalars(
            select(Shop.shop_id).where(Shop.merchant_id == merchant_id)
        ))


def _listed(query: Select[Any, Any, Any]) -> list[ListedShop]:
    with reading() as session:
        return [
            ListedShop(
                merchant.merchant_id, merchant.name, merchant.category or OTHER, shop.shop_id,
                shop.name, shop.address, shop.latitude_e6, shop.longitude_e6, distance,
            )
            for merchant, shop, distance in session.execute(query)
        ]

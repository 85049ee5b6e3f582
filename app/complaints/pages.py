"""The public page of a merchant: an organisation's conduct, and nothing about any person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.complaints.queries import Figures, figures_of_merchant
from app.kernel.database import reading
from app.library.queries import count_standing as count_waivers
from app.merchants.directory import ListedMerchant, find_merchant, list_shop_ids
from app.merchants.entries import NewEntry, published_entries
from app.merchants.refusals import MerchantUnknown
from app.redemptions.queries import count_uses
from app.service_orders.queries import count_served as count_orders
from app.transit.queries import count_trips

SERVED_SHOWN_FROM: Final = 10  # fewer could be told apart
SERVED_COUNTED_TO: Final = 10_000


@dataclass(frozen=True)
class MerchantPage:
    """What everybody may know about a merchant.

    `served_count` is null below SERVED_SHOWN_FROM and counted up to SERVED_COUNTED_TO.
    """

    merchant: ListedMerchant
    entries: Sequence[NewEntry]
    served_count: int | None
    complaints: Figures


def show_merchant(*, merchant_id: UUID) -> MerchantPage:
    """The page of a merchant.  Refuses `merchant_unknown`."""
    with reading():
        found = find_merchant(merchant_id=merchant_id)
        if found is None:
            raise MerchantUnknown
        served = _count_served(merchant_id)
        return MerchantPage(
            merchant=found,
            entries=published_entries(merchant_id=merchant_id),
            served_count=served if served >= SERVED_SHOWN_FROM else None,
            complaints=figures_of_merchant(merchant_id=merchant_id),
        )


def _count_served(merchant_id: UUID) -> int:
    """Vouchers that were used, orders that were begun, trips settled, deposits waived now."""
    most = SERVED_COUNTED_TO
    shop_ids = list_shop_ids(merchant_id=merchant_id)
    return min(most, sum((
        count_uses(merchant_id=merchant_id, shop_ids=shop_ids, at_most=most),
        count_orders(merchant_id=merchant_id, at_most=most),
        count_trips(merchant_id=merchant_id),
        count_waivers(merchant_id=merchant_id, at_most=most),
    )))  # fmt: skip

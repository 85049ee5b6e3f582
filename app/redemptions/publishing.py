"""What is published of redemptions: how many there were of each benefit in a month."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from sqlalchemy import and_, distinct, func, select

from app.kernel.clock import CITY_ZONE
from app.kernel.database import reading
from app.redemptions.models import Annulment, Voucher, VoucherEnding
from app.scoring.protection import LEAST

TAKEN = ("redeemed", "used_offline")


def figures_of_month(first_on: date, next_on: date) -> dict[str, Any]:
    """Redemptions by benefit from one day on and before another, without those annulled by now.

    Of a benefit that fewer than ten people used no number is told: null.
    """
    query = (
        select(
            Voucher.benefit_code,
            func.count().label("redemptions"),
            func.count(distinct(Voucher.citizen_id)).label("people"),
        )
        .join(VoucherEnding, and_(
            VoucherEnding.citizen_id == Voucher.citizen_id,
            VoucherEnding.voucher_id == Voucher.voucher_id,
        ))
        .outerjoin(Annulment, and_(
            Annulment.citizen_id == Voucher.citizen_id,
            Annulment.voucher_id == Voucher.voucher_id,
        ))
        .where(
            VoucherEnding.kind.in_(TAKEN), Annulment.voucher_id.is_(None),
            VoucherEnding.ended_at >= _midnight(first_on),
            VoucherEnding.ended_at < _midnight(next_on),
        )
        .group_by(Voucher.benefit_code).order_by(Voucher.benefit_code)
    )  # fmt: skip
    with reading() as session:
        return {"benefits": [
            {"benefit": row.benefit_code,
             "redemptions": row.redemptions if row.people >= LEAST else None}
            for row in session.execute(query)
        ]}  # fmt: skip


def _midnight(on: date) -> datetime:
    """The moment at which a day begins in the city."""
    return datetime.combine(on, time.min, CITY_ZONE)

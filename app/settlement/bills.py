"""WeChat Pay's bills: fetched once each, kept, and put side by side with orders.

A bill knows orders by their numbers at WeChat, and a refund may stand in a later one than its
payment: what an order came to there is the sum over all bills.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, func, insert, literal, or_, select

from app.kernel.clock import city_today
from app.kernel.database import durable, reading, transaction
from app.kernel.errors import Unavailable
from app.settlement.models import Bill, BillLine

log = logging.getLogger(__name__)

ASKED_BACK: Final = timedelta(days=80)  # WeChat keeps bills for three months
Order = tuple[UUID, UUID]  # whose, and which


class AtHand(StrEnum):
    """Whether there is a bill of a day: kept, not to be had yet, or none to be had at all.

    The SQL of `reconciling` knows these words.
    """

    KEPT = "kept"
    AWAITED = "awaited"
    NONE = "none"


@dataclass(frozen=True)
class ToldLine:
    """What a bill says of an order, by its number there, in fen."""

    order_number: str
    paid_fen: int
    refunded_fen: int


class PayScore(Protocol):
    """What is asked of WeChat Pay; `app.wechat.pay_score` is one.

    Whatever goes wrong there is `Unavailable`.
    """

    def tell_order(self, citizen_id: UUID, order_id: UUID) -> tuple[str, int | None] | None:
        """How Pay Score has an order and what it comes to there; None: it has none."""

    def tell_bill(self, on: date) -> Sequence[ToldLine] | None:
        """The bill of a day in the city; None: the programme has no account there."""

    def order_number(self, citizen_id: UUID, order_id: UUID) -> str:
        """The number that an order has there."""

    def find_orders(self, numbers: Collection[str]) -> Mapping[str, Order]:
        """The orders behind numbers, as far as they are known."""


def fetch_bill(*, on: date, pay_score: PayScore) -> AtHand:
    """Keep the bill of a day, unless it is kept already."""
    with reading() as session:
        if session.get(Bill, on) is not None:
            return AtHand.KEPT
        is_past = on < city_today(session) - ASKED_BACK
    if is_past:
        return AtHand.NONE
    durable()
    try:
        told = pay_score.tell_bill(on)
    except Unavailable as error:
        log.warning("a bill is not to be had yet", extra={"code": error.code})
        return AtHand.AWAITED
    if told is None:
        return AtHand.NONE
    _keep(on, told)
    return AtHand.KEPT


def list_billed(
    *, on: date, orders: Collection[Order], pay_score: PayScore
) -> list[dict[str, Any]]:
    """What came to what by all bills: of the orders given, and of all that stand in the day's.

    Each by its number, with whose order it is where that is known, and the day of its first line.
    """
    known = {pay_score.order_number(*order): order for order in orders}
    of_day = select(BillLine.order_number).where(BillLine.bill_on == on)
    query = (
        select(
            BillLine.order_number, func.min(BillLine.bill_on),
            func.sum(BillLine.paid_fen - BillLine.refunded_fen),
        )
        .where(or_(
            BillLine.order_number.in_(of_day),
            BillLine.order_number == any_(literal([*known], ARRAY(Text()))),
        ))
        .group_by(BillLine.order_number)
    )
    with reading() as session:
        rows = session.execute(query).all()
    strange = [number for number, _, _ in rows if number not in known]
    known |= pay_score.find_orders(strange)
    return [
        {
            "number": number, "bill_on": bill_on, "net_fen": int(net_fen),
            "citizen_id": known.get(number, (None, None))[0],
            "order_id": known.get(number, (None, None))[1],
        }
        for number, bill_on, net_fen in rows
    ]


def _keep(on: date, told: Sequence[ToldLine]) -> None:
    with transaction() as session:
        session.add(Bill(
            bill_on=on, line_count=len(told), paid_fen=sum(one.paid_fen for one in told),
            refunded_fen=sum(one.refunded_fen for one in told),
        ))  # fmt: skip
        session.flush()
        if told:
            session.execute(insert(BillLine), [
                {"bill_on": on, "number": number, **vars(one)}
                for number, one in enumerate(told, start=1)
            ])  # fmt: skip

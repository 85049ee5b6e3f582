"""What a merchant is owed for service orders, against a table that was written by hand."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.clock import CITY_ZONE
from app.members.queries import database_now
from app.merchants.names import name_merchants
from app.service_orders.payments import record_payment
from app.settlement.queries import Line, day_statement
from tests.redemptions.builders import make_citizen, make_clerk, make_merchant
from tests.service_orders.shop import Shop, done, make_line

BILL_FEN = 1_500
OWN, BANK = "merchant", "bank"
TILL, PAY_SCORE, NOT_YET = "counter", "pay_score", "not_yet"
# Who stands for the order, who took the money, to what each dispute lowered the bill: what the
# merchant is owed for it.  Its own claim that somebody else collected it gets; another's money in
# its till it hands over.
OWED_FEN = {
    (OWN, NOT_YET, ()): 0,
    (OWN, TILL, ()): 0,
    (OWN, PAY_SCORE, ()): 1_500,
    (BANK, NOT_YET, ()): 0,
    (BANK, TILL, ()): -1_500,
    (BANK, PAY_SCORE, ()): 0,
    (OWN, TILL, (1_000,)): 0,
    (OWN, PAY_SCORE, (1_000,)): 1_000,
    (OWN, PAY_SCORE, (1_500,)): 1_500,
    (OWN, PAY_SCORE, (1_000, 400)): 400,
    (OWN, NOT_YET, (0,)): 0,
    (BANK, TILL, (1_000, 400)): -400,
    (BANK, PAY_SCORE, (1_000,)): 0,
    (BANK, NOT_YET, (0,)): 0,
}


@pytest.fixture
def merchant_id(app: Flask) -> UUID:
    return make_merchant(app)


def test_what_an_order_owes_goes_by_who_stands_for_it_and_who_took_the_money(
    app: Flask, client: FlaskClient, merchant_id: UUID
) -> None:
    clerk = make_clerk(app, merchant_id=merchant_id)
    own_code = name_merchants(merchant_ids={merchant_id})[merchant_id].credit_code
    lines = {
        OWN: make_line(app, merchant_id, guarantor_kind=OWN, guarantor_code=own_code),
        BANK: make_line(app, merchant_id, guarantor_kind=BANK),
    }
    owed, charged, lowered, paid = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for (guarantor, taken_by, lowered_to), owed_fen in OWED_FEN.items():
        holder = make_citizen(app, tier="AA", consents=("rental",))
        shop = Shop(client, lines[guarantor], clerk, holder)
        left_fen = _bill_and_pay(shop, taken_by, lowered_to)
        owed[guarantor] += owed_fen
        charged[guarantor] += BILL_FEN
        lowered[guarantor] += left_fen - BILL_FEN
        paid[guarantor] += 0 if taken_by == NOT_YET else left_fen
        assert _owed(merchant_id) == owed.total(), (guarantor, taken_by, lowered_to)
    found = _lines(merchant_id)
    assert {one.what for one in found} == {"rental"}
    assert {
        (one.kind, one.party): one.order_fen for one in found
    } == {
        (kind, guarantor): sums[guarantor]
        for guarantor in (OWN, BANK)
        for kind, sums in (
            ("order_charge", charged), ("order_lowered", lowered), ("order_payment", paid)
        )
    }  # fmt: skip
    assert {one.party: one.owed_fen for one in found if one.owed_fen} == dict(owed)


def _bill_and_pay(shop: Shop, taken_by: str, lowered_to: tuple[int, ...]) -> int:
    """One order up to its end; what stays of its bill."""
    order_id, left_fen = shop.started(), BILL_FEN
    done(shop.counter(order_id, "complete", total_fen=BILL_FEN))
    for left_fen in lowered_to:
        done(shop.act(order_id, "dispute"))
        done(shop.counter(order_id, "resolve", amount_fen=left_fen))
    if taken_by == TILL:
        done(shop.counter(order_id, "payment"))
    if taken_by == PAY_SCORE:  # as it is noted when WeChat says that it collected
        assert record_payment(
            citizen_id=shop.holder.citizen_id, order_id=UUID(order_id), paid_fen=left_fen
        )
    return left_fen


def _lines(merchant_id: UUID) -> tuple[Line, ...]:
    today = database_now().astimezone(CITY_ZONE).date()
    return day_statement(merchant_id=merchant_id, on=today).lines


def _owed(merchant_id: UUID) -> int:
    return sum(line.owed_fen for line in _lines(merchant_id))

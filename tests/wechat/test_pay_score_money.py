"""What Pay Score took and what we noted, side by side: too much, too little, O7."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from app.kernel.clock import CITY_ZONE
from app.members.queries import database_now
from app.service_orders.payments import record_payment
from app.service_orders.queries import verify
from app.settlement import reconciling
from app.wechat import pay_score
from tests.service_orders.shop import done
from tests.wechat.collecting import ORDERS, Collecting, message_about, pay_score_account
from wechat_integration.pay_score import PayScoreAccount, PayScoreClient
from wechat_integration.sandbox.control import FaultKind, SandboxControl


def test_who_paid_more_than_is_owed_is_no_debtor_and_gets_the_rest_back(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    """Debited while it was disputed, and then lowered, or waived."""
    shop, today = collecting.shop, database_day(collecting)
    lowered, waived = shop.started(), shop.started()
    collecting.work()
    for order_id in (lowered, waived):
        done(shop.counter(order_id, "complete", total_fen=1_500))
    collecting.debit()
    for order_id, left_fen in ((lowered, 1_000), (waived, 0)):
        done(shop.act(order_id, "dispute"))
        sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
        done(shop.counter(order_id, "resolve", amount_fen=left_fen))
    collecting.work()
    assert [shop.state(one) for one in (lowered, waived)] == ["paid", "released"]
    with shop.client.application.app_context():
        assert shop.account() == (0, 0)
        assert verify() == []
    asked = reconciled(collecting)
    assert dict(asked.counts) == {"refund_due": 2}
    sandbox.advance_clock(seconds=2 * 86_400)
    assert bill_classes(collecting, today) == {"refund_due": 2}
    due_back = {
        (one.subject, one.our_amount, one.their_amount) for one in reconciled(collecting).unmatched
    }
    assert due_back == {(lowered, 1_000, 1_500), (waived, 0, 1_500)}
    for order_id, refund_fen in ((lowered, 500), (waived, 1_500)):
        sandbox.refund_pay_score(
            out_order_no=collecting.number(order_id), amount_fen=refund_fen
        )
    sandbox.advance_clock(seconds=2 * 86_400)
    bill_classes(collecting, today + timedelta(days=2))  # fetches the bill with the refunds
    assert bill_classes(collecting, today) == {"matched": 2}
    assert dict(reconciled(collecting).counts) == {"matched": 2}


def test_who_paid_less_than_is_owed_owes_it_still(collecting: Collecting) -> None:
    order_id, citizen_id = collecting.billed(), collecting.shop.holder.citizen_id
    with collecting.worker.app_context():
        for paid_fen in (1_499, None):
            assert record_payment(
                citizen_id=citizen_id, order_id=UUID(order_id), paid_fen=paid_fen
            ) is None  # fmt: skip
    assert collecting.shop.state(order_id) == "completed"


def test_o7_every_bill_of_a_day_is_in_a_class_by_what_pay_score_says(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    orders = [collecting.shop.started() for _ in range(4)]
    collecting.work()
    for order_id in orders:
        done(collecting.shop.counter(order_id, "complete", total_fen=1_500))
    collecting.debit()
    noted, unnoted, unpaid, at_counter = orders
    done(collecting.shop.counter(at_counter, "payment"))
    for order_id in (noted, unnoted):
        sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
    with collecting.worker.app_context():
        pay_score.settle_order(message_about(collecting, noted))
    found = reconciled(collecting)
    assert dict(found.counts) == {
        "matched": 1, "paid_there_only": 1, "pay_score_open": 2,
    }  # fmt: skip
    [lost] = found.unmatched
    assert (lost.subject, lost.our_amount, lost.their_amount) == (unnoted, 1_500, 1_500)
    collecting.work()  # tells WeChat of the counter
    sandbox.add_fault(kind=FaultKind.UNAVAILABLE, path=ORDERS)
    assert dict(reconciled(collecting).counts) == {"not_asked": 4}
    sandbox.clear_faults()
    with collecting.worker.app_context():
        pay_score.settle_order(message_about(collecting, unnoted))
    settled = reconciled(collecting)
    assert dict(settled.counts) == {"matched": 3, "pay_score_open": 1}
    assert settled.unmatched == ()
    assert collecting.shop.state(unpaid) == "completed"


def test_o7_the_bill_of_a_day_is_held_against_its_orders_both_ways(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    """As it is fetched: what only one side has, what was paid in both places, what came back."""
    shop, today = collecting.shop, database_day(collecting)
    orders = [shop.started() for _ in range(4)]
    collecting.work()
    for order_id in orders:
        done(shop.counter(order_id, "complete", total_fen=1_500))
    collecting.debit()
    noted, unnoted, twice, lost = orders
    for order_id in (noted, unnoted, twice):
        sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
    done(shop.counter(twice, "payment"))
    pay_strangely(collecting, sandbox, amount_fen=800)
    with collecting.worker.app_context():
        pay_score.settle_order(message_about(collecting, noted))
        assert record_payment(
            citizen_id=shop.holder.citizen_id, order_id=UUID(lost), paid_fen=1_500
        )
    assert bill_classes(collecting, today) == {"bill_awaited": 1}
    sandbox.advance_clock(seconds=2 * 86_400)
    sandbox.add_fault(kind=FaultKind.GARBAGE, path="/v3/billdownload/file", requests=2)
    asked = sandbox.count_calls(path=ORDERS)
    found = bill_classes(collecting, today)
    assert found == {
        "matched": 1, "paid_there_only": 1, "paid_twice": 1, "missing_in_bill": 1,
        "unknown_there": 1,
    }  # fmt: skip
    assert sandbox.count_calls(path=ORDERS) == asked + 1, "only of what no bill tells"
    fetched = sandbox.count_calls(path="/v3/billdownload/file")
    for order_id in (twice, unnoted):
        sandbox.refund_pay_score(out_order_no=collecting.number(order_id), amount_fen=1_500)
    sandbox.advance_clock(seconds=2 * 86_400)
    later = today + timedelta(days=2)
    assert bill_classes(collecting, later) == {"matched": 2}
    assert bill_classes(collecting, today) == {
        "matched": 3, "missing_in_bill": 1, "unknown_there": 1,
    }  # fmt: skip
    assert sandbox.count_calls(path="/v3/billdownload/file") == fetched + 1, "once each"


def pay_strangely(collecting: Collecting, sandbox: SandboxControl, *, amount_fen: int) -> None:
    """A payment on the account that no order of ours stands behind."""
    client = PayScoreClient(account=PayScoreAccount(
        **pay_score_account(collecting.worker.extensions["card_settings"])
    ))  # fmt: skip
    client.create(
        out_order_no="stranger", introduction="雨伞", risk_fen=9_900, openid=collecting.openid
    )
    client.complete(out_order_no="stranger", name="租借费", amount_fen=amount_fen)
    client.close()
    sandbox.pay_pay_score(out_order_no="stranger")


def database_day(collecting: Collecting) -> date:
    with collecting.worker.app_context():
        return database_now().astimezone(CITY_ZONE).date()


def bill_classes(collecting: Collecting, on: date) -> dict[str, int]:
    with collecting.worker.app_context():
        reconciling.reconcile_day(on=on, pay_score=pay_score)
        found = reconciling.find_day(on=on)
    return {one.class_: one.item_count for one in found.counts if one.comparison == "bill"}


@dataclass(frozen=True)
class Reconciled:
    counts: tuple[tuple[str, int], ...]
    unmatched: tuple[reconciling.Unmatched, ...]


def reconciled(collecting: Collecting) -> Reconciled:
    """Today's orders, as the worker reconciles them."""
    with collecting.worker.app_context():
        today = database_now().astimezone(CITY_ZONE).date()
        reconciling.reconcile_day(on=today, pay_score=pay_score)
        found = reconciling.find_day(on=today)
    counts = tuple(
        (one.class_, one.item_count) for one in found.counts if one.comparison == "pay_score"
    )
    return Reconciled(counts, found.unmatched)

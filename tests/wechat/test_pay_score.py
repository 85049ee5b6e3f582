"""Collecting by Pay Score: debits after the days to pay, notices that come often, outages."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.jobs import Message, WorkerSettings
from app.service_orders import due
from app.service_orders.acts import CHANGED_TOPIC
from app.wechat import pay_score
from tests.service_orders.shop import NONCE, done, refusal
from tests.wechat.collecting import ORDERS, Collecting, message_about, pay_score_account
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.pay_keys import made_up_pay_keys
from wechat_integration.sandbox.pay_notices import notice_body, signed_headers

NOTICES = "/wechat/pay-score"
PERMISSION = "/api/v1/me/pay-score/permission"


def test_what_is_not_paid_in_time_is_debited_once(
    collecting: Collecting, served: None, sandbox: SandboxControl
) -> None:
    order_id = collecting.billed()
    sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
    assert sandbox.pay_notice_answers() == [204] * 3  # and twice more than needed
    assert collecting.work() >= 1
    assert collecting.shop.state(order_id) == "paid"
    with collecting.shop.client.application.app_context():
        assert collecting.shop.account() == (0, 0)
    collecting.debit()


def test_a_notice_is_sent_again_until_it_is_taken(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    order_id = collecting.billed()
    sandbox.pay_pay_score(out_order_no=collecting.number(order_id))  # nobody serves
    assert sandbox.pay_notice_answers() == [0] * 10
    with collecting.worker.app_context():  # the next look finds the payment without any notice
        pay_score.settle_order(message_about(collecting, order_id))
    assert collecting.shop.state(order_id) == "paid"


def resource(collecting: Collecting, order_id: str, **changes: str) -> dict[str, Any]:
    keys = made_up_pay_keys()
    account = pay_score_account(collecting.worker.extensions["card_settings"])
    return {
        "mchid": keys.merchant_id, "service_id": keys.service_id, "appid": account["app_id"],
        "out_order_no": collecting.number(order_id), "state": "DONE", "total_amount": 1_500,
        **changes,
    }  # fmt: skip


def send(collecting: Collecting, body: str) -> int:
    headers = signed_headers(
        made_up_pay_keys(), body, at_seconds=datetime.now(UTC).timestamp()
    )
    return collecting.shop.client.post(NOTICES, data=body, headers=headers).status_code


def test_s36_fifteen_notices_in_any_order_are_one_payment(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    order_id = collecting.billed()
    sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
    events = ("PAYSCORE.USER_CONFIRM", "PAYSCORE.USER_PAID", "PAYSCORE.USER_PAID")
    bodies = [
        notice_body(made_up_pay_keys(), event, resource(collecting, order_id))
        for event in events
    ] * 15
    random.shuffle(bodies)
    assert {send(collecting, body) for body in bodies} == {204}
    row = admin.execute("SELECT count(*) FROM outbox WHERE topic = 'service_order_changed'")
    assert row.fetchone() == (3,)
    collecting.work()
    assert collecting.shop.state(order_id) == "paid"
    paid = admin.execute("SELECT count(*) FROM service_order_steps WHERE event = 'pay'")
    assert paid.fetchone() == (1,)


def test_s36_a_notice_alone_pays_nothing(collecting: Collecting) -> None:
    """What WeChat signs is a reason to look, and the order itself is what counts."""
    order_id = collecting.billed()
    body = notice_body(made_up_pay_keys(), "PAYSCORE.USER_PAID", resource(collecting, order_id))
    assert send(collecting, body) == 204
    collecting.work()
    assert collecting.shop.state(order_id) == "completed"


def test_s36_what_wechat_did_not_sign_is_refused_in_its_own_shape(
    collecting: Collecting, admin: psycopg.Connection[Any]
) -> None:
    body = notice_body(made_up_pay_keys(), "PAYSCORE.USER_PAID", {"mchid": "another"})
    assert send(collecting, body) == 401
    for sent in ({}, {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}):
        answer = collecting.shop.client.post(NOTICES, data=body, headers=sent)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "FAIL")
    assert admin.execute("SELECT count(*) FROM pay_score_notices").fetchone() == (0,)


def test_a_lowered_bill_is_lowered_at_wechat_too(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    order_id = collecting.billed()
    done(collecting.shop.act(order_id, "dispute"))
    done(collecting.shop.counter(order_id, "resolve", amount_fen=1_000))
    collecting.work()
    sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
    with collecting.worker.app_context():
        pay_score.settle_order(message_about(collecting, order_id))
    assert collecting.shop.state(order_id) == "paid"


def test_what_is_paid_at_the_counter_is_not_debited(collecting: Collecting) -> None:
    before, after = collecting.shop.started(), collecting.billed()
    for order_id in (before, after):
        if order_id == before:
            done(collecting.shop.counter(order_id, "complete", total_fen=100))
        done(collecting.shop.counter(order_id, "payment"))
    collecting.work()
    assert collecting.remote(before) == ("REVOKED", "")
    assert collecting.remote(after) == ("DONE", "")


def test_an_order_that_ends_without_a_bill_is_cancelled_there(collecting: Collecting) -> None:
    cancelled, returned = collecting.shop.ordered(), collecting.shop.started()
    collecting.work()
    done(collecting.shop.act(cancelled, "cancel"))
    done(collecting.shop.counter(returned, "complete", total_fen=0))
    collecting.work()
    assert [collecting.remote(one) for one in (cancelled, returned)] == [("REVOKED", "")] * 2


def test_without_permission_the_order_goes_on_at_the_counter(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    sandbox.reset()  # nobody has permitted anything
    order_id = collecting.shop.started()
    collecting.work()
    done(collecting.shop.counter(order_id, "complete", total_fen=100))
    collecting.debit()
    assert done(collecting.shop.counter(order_id, "payment"))["state"] == "paid"
    collecting.work()


def test_an_outage_means_again(collecting: Collecting, sandbox: SandboxControl) -> None:
    sandbox.add_fault(kind=FaultKind.UNAVAILABLE, path=ORDERS)
    order_id = collecting.shop.started()  # at the counter nobody notices
    with pytest.raises(pay_score.PayScoreIsUnavailable):
        collecting.work()
    sandbox.clear_faults()
    with collecting.worker.app_context():
        pay_score.settle_order(message_about(collecting, order_id))
    assert collecting.remote(order_id) == ("DOING", "USER_CONFIRM")


def lose_messages(collecting: Collecting, sandbox: SandboxControl) -> None:
    """WeChat is away for all tries of what waits: the worker gives it up."""
    sandbox.add_fault(kind=FaultKind.UNAVAILABLE, path=ORDERS)
    with collecting.worker.app_context():
        with transaction() as session:
            rows = session.execute(text("SELECT * FROM outbox_take(100)")).all()
        waiting = [
            Message(row.citizen_id, row.message_id, row.topic, row.payload)
            for row in rows if row.topic == CHANGED_TOPIC
        ]  # fmt: skip
        assert waiting
        for message in waiting:
            for _ in range(WorkerSettings.tries):
                with pytest.raises(pay_score.PayScoreIsUnavailable):
                    pay_score.settle_order(message)
    sandbox.clear_faults()


def ask_now(collecting: Collecting, admin: psycopg.Connection[Any]) -> int:
    admin.execute("UPDATE service_orders SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
    return collecting.ask()


def test_a_debit_survives_an_outage_that_is_longer_than_the_tries(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    order_id = collecting.shop.started()
    collecting.work()
    done(collecting.shop.counter(order_id, "complete", total_fen=1_500))
    collecting.work()
    assert collecting.remote(order_id) == ("DOING", "USER_CONFIRM")
    collecting.be_due()
    lose_messages(collecting, sandbox)
    assert ask_now(collecting, admin) == 1
    assert collecting.remote(order_id) == ("DOING", "MCH_COMPLETE")
    sandbox.pay_pay_score(out_order_no=collecting.number(order_id))
    assert ask_now(collecting, admin) == 1
    assert collecting.shop.state(order_id) == "paid"


def test_an_order_that_fell_into_an_outage_whole_is_made_and_debited_after_it(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    order_id = collecting.shop.started()
    done(collecting.shop.counter(order_id, "complete", total_fen=1_500))
    collecting.be_due()
    lose_messages(collecting, sandbox)
    for expected in ("USER_CONFIRM", "MCH_COMPLETE"):
        assert ask_now(collecting, admin) == 1
        assert collecting.remote(order_id) == ("DOING", expected)


def test_a_refused_debit_is_tried_again(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    order_id = collecting.shop.started()
    done(collecting.shop.counter(order_id, "complete", total_fen=1_500))
    collecting.work()
    complete = f"{ORDERS}/{collecting.number(order_id)}/complete"
    sandbox.add_fault(kind=FaultKind.REDIRECT, path=complete)  # for good, as the client reads it
    collecting.debit()
    assert sandbox.count_calls(path=complete) == 1
    assert collecting.remote(order_id) == ("DOING", "USER_CONFIRM")
    sandbox.clear_faults()
    assert ask_now(collecting, admin) == 1
    assert collecting.remote(order_id) == ("DOING", "MCH_COMPLETE")


def test_what_is_due_is_reminded_of_without_saying_for_what(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    sandbox.grant_accepts(openid=collecting.openid, template_id="template-due", count=5)
    order_id = collecting.shop.started()
    done(collecting.shop.counter(order_id, "complete", total_fen=1_505))
    collecting.work()
    admin.execute("UPDATE service_orders SET remind_at = clock_timestamp()")
    for _ in range(2):
        with collecting.worker.app_context():
            due.remind_due_orders(limit=10)
        collecting.work()
    (sent,) = sandbox.sent_messages()
    assert (sent.template_id, sent.data["amount2"]) == ("template-due", "15.05元")
    assert "雨伞" not in str(sent.data)
    done(collecting.shop.counter(order_id, "payment"))
    admin.execute(
        "SELECT outbox_put(%s, %s, 'service_order_due', jsonb_build_object('order_id', %s::text))",
        (collecting.shop.holder.citizen_id, UUID(order_id), order_id),
    )
    collecting.work()
    assert len(sandbox.sent_messages()) == 1  # nobody is reminded of what is paid


def test_both_sides_hear_once_that_the_time_of_use_is_over(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    """The holder not of what; the merchant by the webhook of its orders, which stay in use."""
    sandbox.grant_accepts(openid=collecting.openid, template_id="template-over", count=5)
    over, back = collecting.shop.started(), collecting.shop.started()
    done(collecting.shop.counter(back, "complete", total_fen=0))
    collecting.work()
    with collecting.worker.app_context():
        assert due.remind_due_orders(limit=10) == 0  # not yet
        admin.execute(
            "UPDATE service_orders SET remind_at = clock_timestamp() WHERE remind_at = use_ends_at"
        )
        assert [due.remind_due_orders(limit=10) for _ in range(2)] == [1, 0]
    told = admin.execute(
        "SELECT payload ->> 'order_id', payload ->> 'state', payload ->> 'merchant_id'"
        " FROM outbox WHERE payload ->> 'event' = 'use_over'"
    )
    assert told.fetchall() == [(over, "in_use", str(collecting.shop.clerk.merchant_id))]
    collecting.work()
    (sent,) = sandbox.sent_messages()
    assert (sent.template_id, sent.data["thing1"]) == ("template-over", "信易订单")
    assert "雨伞" not in str(sent.data)
    assert collecting.shop.state(over) == "in_use"


def test_old_notices_are_forgotten(
    collecting: Collecting, admin: psycopg.Connection[Any]
) -> None:
    admin.execute(
        "INSERT INTO pay_score_notices VALUES ('old', now() - interval '8 days'), ('new', now())"
    )
    with collecting.worker.app_context():
        pay_score.prune_notices()
    assert admin.execute("SELECT notice_id FROM pay_score_notices").fetchall() == [("new",)]


def test_a_lost_notice_is_found_by_asking(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    order_id = collecting.billed()
    sandbox.pay_pay_score(out_order_no=collecting.number(order_id))  # nobody serves
    row = admin.execute(
        "SELECT ask_at - clock_timestamp() <= interval '5 minutes' FROM service_orders"
        " WHERE order_id = %s", (order_id,),
    )
    assert row.fetchone() == (True,)
    assert collecting.ask() == 0  # not yet
    admin.execute("UPDATE service_orders SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
    assert collecting.ask() == 1
    assert collecting.shop.state(order_id) == "paid"
    assert collecting.ask() == 0


def test_an_order_that_the_holder_confirms_in_wechat(
    collecting: Collecting, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    shop = collecting.confirming()
    order_id = shop.ordered()
    collecting.work()
    assert refusal(shop.counter(order_id, "start", nonce=NONCE)) == "service_order_state"
    assert done(shop.own("POST", f"/{order_id}/pay-score"))["package"]
    sandbox.confirm_pay_score(
        out_order_no=collecting.number(order_id), openid=collecting.openid
    )  # and the notice is lost
    admin.execute("UPDATE service_orders SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
    assert collecting.ask() == 1
    assert shop.state(order_id) == "agreed"
    assert refusal(shop.own("POST", f"/{order_id}/pay-score")) == "service_order_state"
    assert done(shop.counter(order_id, "start", nonce=NONCE))["state"] == "in_use"
    given_up = shop.ordered()
    collecting.work()
    done(shop.act(given_up, "cancel"))
    collecting.work()
    assert collecting.remote(given_up) == ("REVOKED", "")
    other = collecting.shop.ordered()  # on the line without it
    assert refusal(shop.own("POST", f"/{other}/pay-score")) == "service_order_state"


def test_the_permission_is_asked_for_and_taken_back(
    collecting: Collecting, sandbox: SandboxControl
) -> None:
    client, headers = collecting.shop.client, collecting.shop.holder.headers
    assert done(client.post(PERMISSION, headers=headers))["apply_permissions_token"]
    assert done(client.get(PERMISSION, headers=headers)) == {"is_given": True}
    for _ in range(2):
        assert client.post(f"{PERMISSION}/end", headers=headers).status_code == 204
    assert done(client.get(PERMISSION, headers=headers)) == {"is_given": False}
    sandbox.add_fault(kind=FaultKind.UNAVAILABLE, path="/v3/payscore/permissions")
    answer = client.post(PERMISSION, headers=headers)
    assert (answer.status_code, refusal(answer)) == (503, "pay_score_unavailable")

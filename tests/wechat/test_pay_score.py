"""Collecting by Pay Score: debits after the days to pay, notices that come often, outages."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from app.config import Settings
from app.kernel import jobs
from app.kernel.clock import CITY_ZONE
from app.kernel.database import transaction
from app.kernel.jobs import Message, WorkerSettings
from app.members.queries import database_now
from app.service_orders import due
from app.service_orders.acts import CHANGED_TOPIC
from app.service_orders.payments import record_payment
from app.service_orders.queries import find_order, verify
from app.settlement import reconciling
from app.wechat import pay_score
from tests.ledger.checks import assert_ledger_balances
from tests.members.api import claims_of, join, made_up_person
from tests.redemptions.builders import Citizen, give_consent, make_clerk, make_merchant, set_tier
from tests.service_orders.shop import NONCE, Shop, done, make_line, refusal
from wechat_integration.pay_score import PayScoreAccount, PayScoreClient
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.pay_keys import made_up_pay_keys
from wechat_integration.sandbox.pay_notices import notice_body, signed_headers

NOTICES = "/wechat/pay-score"
ORDERS = "/v3/payscore/serviceorder"
PERMISSION = "/api/v1/me/pay-score/permission"


@pytest.fixture
def served(committing_app: Flask, settings: Settings) -> Iterator[None]:
    """The application where WeChat sends its notices."""
    assert settings.wechat_pay_file is not None
    account = pay_score_account(settings)
    port = urlsplit(str(account["notify_url"])).port
    server = make_server("127.0.0.1", port or 0, committing_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def pay_score_account(settings: Settings) -> dict[str, Any]:
    assert settings.wechat_pay_file is not None
    found: dict[str, Any] = json.loads(settings.wechat_pay_file.read_text(encoding="utf-8"))
    return found


@dataclass
class Collecting:
    """A shop whose line collects by Pay Score, and the worker."""

    shop: Shop
    worker: Flask
    openid: str

    def work(self) -> int:
        """Deliver what waits, until nothing does; how many messages."""
        delivered = 0
        with self.worker.app_context():
            while True:
                with transaction() as session:
                    rows = session.execute(text("SELECT * FROM outbox_take(100)")).all()
                if not rows:
                    return delivered
                for row in rows:
                    message = Message(row.citizen_id, row.message_id, row.topic, row.payload)
                    jobs._handlers[row.topic](message)  # noqa: SLF001 -- as the worker does
                    delivered += 1

    def debit(self) -> None:
        """The days to pay are over."""
        self.be_due()
        self.work()

    def be_due(self) -> None:
        with self.worker.app_context():
            with transaction() as session:
                session.execute(text(
                    "UPDATE service_orders SET due_at = clock_timestamp(),"
                    " debit_at = clock_timestamp() WHERE debit_at IS NOT NULL"
                ))
            due.debit_due_orders(limit=10)

    def ask(self) -> int:
        """Ask WeChat about what is due to be asked for; how many orders."""
        with self.worker.app_context():
            asked = due.ask_due_orders(limit=10)
        self.work()
        return asked

    def confirming(self) -> Shop:
        """The same people on a line whose orders are confirmed in WeChat."""
        app, clerk = self.shop.client.application, self.shop.clerk
        line_id = make_line(app, clerk.merchant_id, collection="pay_score_confirm")
        return replace(self.shop, line_id=line_id)

    def remote(self, order_id: str) -> tuple[str, str]:
        with self.worker.app_context():
            number = self.number(order_id)
            found = pay_score._client().query(out_order_no=number)  # noqa: SLF001
        assert found is not None
        return found.state, found.state_description

    def number(self, order_id: str) -> str:
        with self.worker.app_context():
            order = find_order(
                citizen_id=self.shop.holder.citizen_id, order_id=UUID(order_id)
            )
            assert order is not None
            return pay_score._number_of(order)  # noqa: SLF001

    def billed(self, amount_fen: int = 1_500) -> str:
        """An order whose debit was asked for."""
        order_id = self.shop.started()
        self.work()
        done(self.shop.counter(order_id, "complete", total_fen=amount_fen))
        self.work()
        assert self.remote(order_id) == ("DOING", "USER_CONFIRM")  # the days to pay first
        self.debit()
        assert self.remote(order_id) == ("DOING", "MCH_COMPLETE")
        return order_id


@pytest.fixture
def collecting(
    committing_app: Flask, worker_app: Flask, sandbox: SandboxControl
) -> Iterator[Collecting]:
    app = committing_app
    person = made_up_person(sandbox)
    tokens = join(app.test_client(), sandbox, person).get_json()
    claims = claims_of(tokens["access_token"])
    holder = Citizen(
        UUID(claims["sub"]), UUID(claims["sid"]),
        {"Authorization": f"Bearer {tokens['access_token']}"},
    )  # fmt: skip
    set_tier(app, holder.citizen_id, "AA")
    give_consent(app, holder.citizen_id, "rental")
    merchant_id = make_merchant(app)
    line_id = make_line(app, merchant_id, collection="pay_score")
    clerk = make_clerk(app, merchant_id=merchant_id)
    sandbox.permit_pay_score(openid=person.openid)
    yield Collecting(Shop(app.test_client(), line_id, clerk, holder), worker_app, person.openid)
    with app.app_context():
        assert_ledger_balances()


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


def message_about(collecting: Collecting, order_id: str) -> Message:
    citizen_id = collecting.shop.holder.citizen_id
    return Message(citizen_id, UUID(order_id), CHANGED_TOPIC, {"order_id": order_id})


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

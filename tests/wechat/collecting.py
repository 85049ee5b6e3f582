"""A shop whose line collects by Pay Score, its customer, and the worker that settles."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from app.config import Settings
from app.kernel import jobs
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.service_orders import due
from app.service_orders.acts import CHANGED_TOPIC
from app.service_orders.queries import find_order
from app.wechat import pay_score
from tests.members.api import Person, claims_of, join, made_up_person
from tests.redemptions.builders import Citizen, give_consent, make_clerk, make_merchant, set_tier
from tests.service_orders.shop import Shop, done, make_line
from wechat_integration.sandbox.control import SandboxControl

ORDERS = "/v3/payscore/serviceorder"


@dataclass
class Collecting:
    """A shop whose line collects by Pay Score, and the worker."""

    shop: Shop
    worker: Flask
    person: Person

    @property
    def openid(self) -> str:
        return self.person.openid

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

    def agreed(self, sandbox: SandboxControl) -> tuple[Shop, str]:
        """An order that the holder has confirmed in WeChat, and where nothing was handed over."""
        shop = self.confirming()
        order_id = shop.ordered()
        self.work()
        done(shop.own("POST", f"/{order_id}/pay-score"))
        sandbox.confirm_pay_score(out_order_no=self.number(order_id), openid=self.openid)
        with self.worker.app_context():
            pay_score.settle_order(Message(
                shop.holder.citizen_id, new_id(), CHANGED_TOPIC, {"order_id": order_id}
            ))
        assert shop.state(order_id) == "agreed"
        return shop, order_id

    def is_permitted(self) -> bool:
        """Whether WeChat may debit without asking."""
        with self.worker.app_context():
            return pay_score._client().has_permission(openid=self.openid)  # noqa: SLF001


def pay_score_account(settings: Settings) -> dict[str, Any]:
    assert settings.wechat_pay_file is not None
    found: dict[str, Any] = json.loads(settings.wechat_pay_file.read_text(encoding="utf-8"))
    return found


def message_about(collecting: Collecting, order_id: str) -> Message:
    citizen_id = collecting.shop.holder.citizen_id
    return Message(citizen_id, UUID(order_id), CHANGED_TOPIC, {"order_id": order_id})


def make_collecting(app: Flask, worker: Flask, sandbox: SandboxControl) -> Collecting:
    """A member with WeChat who permits debits, and a shop whose line collects by them."""
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
    return Collecting(Shop(app.test_client(), line_id, clerk, holder), worker, person)

"""A shop whose line collects by Pay Score, and the worker that settles what it does."""

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
from app.kernel.jobs import Message
from app.service_orders import due
from app.service_orders.acts import CHANGED_TOPIC
from app.service_orders.queries import find_order
from app.wechat import pay_score
from tests.service_orders.shop import Shop, done, make_line

ORDERS = "/v3/payscore/serviceorder"


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


def pay_score_account(settings: Settings) -> dict[str, Any]:
    assert settings.wechat_pay_file is not None
    found: dict[str, Any] = json.loads(settings.wechat_pay_file.read_text(encoding="utf-8"))
    return found


def message_about(collecting: Collecting, order_id: str) -> Message:
    citizen_id = collecting.shop.holder.citizen_id
    return Message(citizen_id, UUID(order_id), CHANGED_TOPIC, {"order_id": order_id})

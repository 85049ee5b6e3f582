"""S22: service orders against a model of a few lines, under legal and illegal events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.ledger.queries import guarantee_balance
from app.service_orders import counter, due, operations
from app.service_orders.payments import record_agreement
from app.service_orders.queries import Order, verify
from app.service_orders.references import make_reference
from app.service_orders.transitions import TRANSITIONS, Event, State
from tests.conftest import Sized
from tests.ledger.checks import assert_ledger_balances
from tests.redemptions.builders import keys_of
from tests.service_orders.shop import NONCE, Shop, make_shop

pytestmark = pytest.mark.timeout(3600)  # for the full sizes

CONFIRM_ABOVE_FEN = 100
ORDERS_EACH = 8
HELD = st.integers(1, 2 * CONFIRM_ABOVE_FEN)
SHARES = st.integers(0, 120)  # of what is held or owed, in percent: too much sometimes
PICKS = st.integers(0, ORDERS_EACH - 1)
# Written by hand, beside the product's own table: which verbs a state takes, and what comes of it.
SAYS = {
    "created": {
        "start": "in_use", "ask": "confirming", "cancel": "cancelled", "agree": "agreed",
    },
    "agreed": {"start": "in_use", "ask": "confirming", "cancel": "cancelled"},
    "confirming": {"confirm": "in_use", "cancel": "cancelled"},
    "in_use": {"complete": "completed", "claim": "claimed", "release": "released"},
    "completed": {"pay": "paid", "dispute": "bill_disputed"},
    "claimed": {"pay": "repaid", "dispute": "claim_disputed"},
    "bill_disputed": {"pay": "paid", "uphold": "completed", "waive": "released"},
    "claim_disputed": {"pay": "repaid", "uphold": "claimed", "waive": "released"},
    "paid": {}, "repaid": {}, "released": {}, "cancelled": {}, "expired": {},
}  # fmt: skip
HOLDING = ("created", "agreed", "confirming", "in_use")


@dataclass
class ModelOrder:
    order_id: UUID
    held_fen: int
    state: str = "created"
    owed_fen: int = 0
    is_over: bool = False

    def refusal(self, event: str, amount_fen: int, at_most_fen: int) -> str | None:
        if event not in SAYS[self.state]:
            return "service_order_state"
        if self.is_over:
            return "service_order_expired"
        return "service_amount_too_large" if amount_fen > at_most_fen else None

    def take(self, event: str, owed_fen: int) -> None:
        self.state = SAYS[self.state][event]
        self.owed_fen = owed_fen


class OrderMachine(RuleBasedStateMachine):
    """Several orders of one holder on one line; a holder's and a clerk's acts, and time."""

    app: Flask
    collection: str

    def __init__(self) -> None:
        super().__init__()
        self.shop: Shop = make_shop(
            self.app, confirm_above_fen=CONFIRM_ABOVE_FEN, tiers={"AA": 10_000},
            collection=self.collection,
        )
        self.holder = self.shop.holder.citizen_id
        self.orders: list[ModelOrder] = []

    @initialize(amounts=st.lists(HELD, min_size=ORDERS_EACH, max_size=ORDERS_EACH))
    def order(self, amounts: list[int]) -> None:
        for amount_fen in amounts:
            made = operations.create_order(
                citizen_id=self.holder, order_id=new_id(), line_id=self.shop.line_id,
                amount_fen=amount_fen,
            )
            self.orders.append(ModelOrder(made.order_id, amount_fen))

    @rule(pick=PICKS)
    def start(self, pick: int) -> None:
        order = self.orders[pick]
        event = "ask" if order.held_fen > CONFIRM_ABOVE_FEN else "start"
        self.attempt(order, event, lambda act: counter.start_use(**act, nonce=NONCE).order)

    @rule(pick=PICKS)
    def agree(self, pick: int) -> None:
        """WeChat says that the holder confirmed; it says so more than once, and too late."""
        order = self.orders[pick]
        expected = order.state == "created" and not order.is_over
        noted = record_agreement(citizen_id=self.holder, order_id=order.order_id)
        assert noted == expected
        if noted:
            order.take("agree", 0)

    @rule(pick=PICKS)
    def confirm(self, pick: int) -> None:
        self.attempt(
            self.orders[pick], "confirm",
            lambda act: operations.confirm_order(**act, nonce=NONCE), own=True,
        )

    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        self.attempt(
            self.orders[pick], "cancel", lambda act: operations.cancel_order(**act), own=True
        )

    @rule(pick=PICKS, share=SHARES, insured=st.integers(0, 50))
    def complete(self, pick: int, share: int, insured: int) -> None:
        order = self.orders[pick]
        owed_fen = order.held_fen * share // 100
        self.attempt(
            order, "complete" if owed_fen else "release",
            lambda act: counter.complete(
                **act, total_fen=owed_fen + insured, insured_fen=insured
            ).order,
            owed_fen=owed_fen, at_most_fen=order.held_fen,
        )

    @rule(pick=PICKS, share=SHARES)
    def claim(self, pick: int, share: int) -> None:
        order = self.orders[pick]
        owed_fen = max(1, order.held_fen * share // 100)
        self.attempt(
            order, "claim", lambda act: counter.claim(**act, amount_fen=owed_fen).order,
            owed_fen=owed_fen, at_most_fen=order.held_fen,
        )

    @rule(pick=PICKS)
    def dispute(self, pick: int) -> None:
        order = self.orders[pick]
        self.attempt(
            order, "dispute", lambda act: operations.dispute_order(**act),
            own=True, owed_fen=order.owed_fen, at_most_fen=order.owed_fen,
        )

    @rule(pick=PICKS)
    def dispute_at_counter(self, pick: int) -> None:
        order = self.orders[pick]
        self.attempt(
            order, "dispute", lambda act: counter.dispute(**act).order,
            owed_fen=order.owed_fen, at_most_fen=order.owed_fen,
        )

    @rule(pick=PICKS, share=SHARES)
    def resolve(self, pick: int, share: int) -> None:
        order = self.orders[pick]
        left_fen = order.owed_fen * share // 100
        self.attempt(
            order, "uphold" if left_fen else "waive",
            lambda act: counter.resolve_dispute(**act, amount_fen=left_fen).order,
            owed_fen=left_fen, at_most_fen=order.owed_fen,
        )

    @rule(pick=PICKS)
    def pay(self, pick: int) -> None:
        self.attempt(
            self.orders[pick], "pay", lambda act: counter.take_payment(**act).order
        )

    @rule(pick=PICKS)
    def let_time_pass(self, pick: int) -> None:
        """The deadline is now, and nobody has swept yet."""
        order = self.orders[pick]
        if order.state in HOLDING:
            order.is_over = True
            with transaction() as session:
                session.execute(
                    text(
                        "UPDATE service_orders SET deadline_at = clock_timestamp()"
                        " WHERE citizen_id = :citizen AND order_id = :id"
                    ),
                    {"citizen": self.holder, "id": order.order_id},
                )

    @rule()
    def sweep(self) -> None:
        over = [order for order in self.orders if order.is_over]
        assert due.expire_due_orders(limit=10_000) >= len(over)  # of broken-off examples too
        for order in over:
            order.state, order.is_over = "expired", False

    def attempt(
        self, order: ModelOrder, event: str, do: Callable[[dict[str, Any]], Order], *,
        own: bool = False, owed_fen: int = 0, at_most_fen: int = 0,
    ) -> None:  # fmt: skip
        act = {"act_id": new_id(), **(self.as_holder(order) if own else self.as_clerk(order))}
        expected = order.refusal(event, owed_fen, at_most_fen)
        waits = self.collection == "pay_score_confirm" and order.state == "created"
        if waits and event in {"start", "ask"}:
            expected = "service_order_state"  # nothing is handed over before WeChat says so
        early = order.state in {"created", "agreed", "cancelled", "expired"}
        if early and not own and event not in {"start", "ask"} and not self.was_started(order):
            expected = "service_order_unknown"  # nobody's yet
        if expected is not None:
            with pytest.raises(DomainError, match=rf"\({expected}\)(;|$)"):
                do(act)
            return
        answer = do(act)
        order.take(event, owed_fen)
        assert (answer.state, answer.owed_fen) == (order.state, order.owed_fen)
        assert do(act) == answer  # sent again

    def was_started(self, order: ModelOrder) -> bool:
        found = operations.show_order(citizen_id=self.holder, order_id=order.order_id)
        return found.merchant_id is not None

    def as_holder(self, order: ModelOrder) -> dict[str, Any]:
        return {"citizen_id": self.holder, "order_id": order.order_id}

    def as_clerk(self, order: ModelOrder) -> dict[str, Any]:
        keys, who = keys_of(self.app), self.shop.clerk
        reference = make_reference(keys, citizen_id=self.holder, order_id=order.order_id)
        clerk = counter.Clerk(keys, who.staff_id, who.session_id, who.shop_id)
        return {"clerk": clerk, "reference": reference}

    @invariant()
    def sums_are_right(self) -> None:
        if not self.orders:
            return
        account = guarantee_balance(
            citizen_id=self.holder, purpose=f"line.{self.shop.line_id}"
        )
        assert account is not None
        assert -account.balance_fen == sum(order.owed_fen for order in self.orders)
        assert account.held_fen == sum(
            order.held_fen for order in self.orders if order.state in HOLDING
        )

    def teardown(self) -> None:
        self.sweep()
        assert verify() == []
        for order in self.orders:
            found = operations.show_order(citizen_id=self.holder, order_id=order.order_id)
            assert (found.state, found.owed_fen) == (order.state, order.owed_fen)
        assert_ledger_balances()


@pytest.mark.parametrize("collection", ["counter", "pay_score_confirm"])
def test_s22_orders_do_what_the_model_says(app: Flask, sized: Sized, collection: str) -> None:
    machine = type("Machine", (OrderMachine,), {"app": app, "collection": collection})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sized(ci=6, full=125), stateful_step_count=60, deadline=None,
            database=None, suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_table_is_the_one_written_by_hand() -> None:
    expected = {
        (start, event): end for start, events in SAYS.items() for event, end in events.items()
    }
    expected |= {(start, "expire"): "expired" for start in HOLDING}
    assert expected == {(str(s), str(e)): str(t) for (s, e), t in TRANSITIONS.items()}
    assert set(SAYS) == {state.value for state in State}
    assert {event for _, event in expected} == {event.value for event in Event}

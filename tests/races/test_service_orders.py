"""An order ends once and is paid once, whoever comes first; time counts by the database's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select

from app.kernel import clock
from app.kernel.database import transaction_required
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.ledger import operations as ledger
from app.service_orders import counter, due, operations
from app.service_orders.models import ServiceOrder
from app.service_orders.references import make_reference
from app.web import limits
from tests.conftest import Sized
from tests.ledger.checks import assert_ledger_balances
from tests.races.threads import at_once, meeting
from tests.redemptions.builders import keys_of
from tests.service_orders.shop import Shop, make_shop

pytestmark = pytest.mark.timeout(3600)  # for the full sizes

HELD_FEN, PART_FEN = 1_000, 300
CLEAN = {"service_order_state", "service_order_expired", None}


class Counter:
    """The acts of a clerk on one order, each in an application context of its own."""

    def __init__(self, app: Flask, shop: Shop) -> None:
        self.app, self.shop = app, shop
        limits.forget_all()
        self.order_id = shop.started(HELD_FEN)
        keys, who = keys_of(app), shop.clerk
        self.reference = make_reference(
            keys, citizen_id=shop.holder.citizen_id, order_id=UUID(self.order_id)
        )
        self.clerk = counter.Clerk(keys, who.staff_id, who.session_id, who.shop_id)

    def ask(self, function: Callable[..., Any], **values: Any) -> str | None:
        """The code of the refusal, or None."""
        with self.app.app_context():
            try:
                function(
                    clerk=self.clerk, reference=self.reference, act_id=new_id(), **values
                )
            except DomainError as error:
                return error.code
        return None

    def sweep(self) -> str | None:
        with self.app.app_context():
            due.expire_due_orders(limit=10_000)
        return "service_order_state"

    def charge(self, amount_fen: int) -> str | None:
        return self.ask(counter.complete, total_fen=amount_fen, insured_fen=0)


def test_four_endings_race_and_one_wins(
    committing_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    """L7: posted and released are what was held, of every order."""
    shop = make_shop(committing_app, tiers={"AA": 10_000_000})
    count = sized(ci=25, full=1_000)
    for _ in range(count):
        at = Counter(committing_app, shop)
        admin.execute(
            "UPDATE service_orders SET deadline_at = clock_timestamp()"
            " + random() * interval '40 milliseconds' WHERE order_id = %s", (at.order_id,),
        )
        endings_of_it: list[Callable[[], str | None]] = [
            *(partial(at.charge, amount_fen) for amount_fen in (HELD_FEN, PART_FEN, 0)), at.sweep
        ]
        codes = at_once(endings_of_it)
        assert set(codes) <= CLEAN
        assert codes.count(None) <= 1
    admin.execute("SELECT pg_sleep_until(max(deadline_at)) FROM service_orders")
    with committing_app.app_context():
        due.expire_due_orders(limit=10_000)
        assert_ledger_balances()
    assert endings(admin) == {"orders": count, "ended": count, "held": 0, "differing": 0}


def endings(admin: psycopg.Connection[Any]) -> dict[str, int]:
    row = admin.execute(
        "SELECT count(*), count(*) FILTER (WHERE o.state IN ('completed', 'released', 'expired')),"
        " (SELECT sum(held_units) FROM ledger_accounts),"
        " (SELECT -sum(balance_units) FROM ledger_accounts) - sum(o.owed_fen)"
        " FROM service_orders o WHERE (SELECT count(*) FROM service_order_steps s"
        "  WHERE s.order_id = o.order_id) = 2 AND (SELECT count(*) FROM ledger_transfers t"
        "  WHERE t.hold_id = o.hold_id AND t.outcome = 'accepted') = 1"
    ).fetchone()
    assert row is not None
    return dict(zip(("orders", "ended", "held", "differing"), map(int, row), strict=True))


def owing(app: Flask) -> Counter:
    """An order to be paid; as much is owed for another, so that a second payment would fit."""
    shop = make_shop(app)
    at, other = Counter(app, shop), Counter(app, shop)
    for one in (at, other):
        assert one.charge(PART_FEN) is None
    return at


def pay_twice(at: Counter) -> tuple[list[str | None], int]:
    """The answers to two payments at once, and what the guarantor's account says after them."""
    codes = at_once([partial(at.ask, counter.take_payment)] * 2)
    with at.app.app_context():
        return codes, at.shop.account()[0]


def test_two_payments_at_once_are_one(committing_app: Flask) -> None:
    codes, owed_fen = pay_twice(owing(committing_app))
    assert sorted(codes, key=str) == [None, "service_order_state"]
    assert owed_fen == PART_FEN


def take_unlocked(*, citizen_id: Any, order_id: Any) -> ServiceOrder:
    """Everybody has looked before anybody writes."""
    query = select(ServiceOrder).where(
        ServiceOrder.citizen_id == citizen_id, ServiceOrder.order_id == order_id
    )
    session = transaction_required()
    found = session.scalars(query).one()
    session.execute(select(func.race_meet(2)))
    return found


def test_without_the_lock_and_the_key_both_are_taken(
    committing_app: Flask, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = owing(committing_app)
    admin.execute("ALTER TABLE service_order_steps DROP CONSTRAINT pk_service_order_steps")
    monkeypatch.setattr(counter, "take_order", take_unlocked)
    try:
        with meeting(admin):
            codes, owed_fen = pay_twice(at)
    finally:
        admin.execute(
            "TRUNCATE service_order_steps; ALTER TABLE service_order_steps ADD CONSTRAINT"
            " pk_service_order_steps PRIMARY KEY (citizen_id, order_id, number)"
        )
    assert (codes, owed_fen) == ([None, None], 0)


@pytest.mark.parametrize("shift_hours", [-1, 1])
def test_the_database_alone_says_when_the_time_is_over(
    committing_app: Flask, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch,
    shift_hours: int,
) -> None:
    """L8: before the end an order is billed, at the end it is not; no process's watch counts."""
    moved = clock.now() + timedelta(hours=shift_hours)
    monkeypatch.setattr(clock, "now", lambda: moved)
    shop = make_shop(committing_app)
    before, after = (Counter(committing_app, shop) for _ in range(2))
    set_left = (
        "UPDATE service_orders SET deadline_at = clock_timestamp() + %s * interval '1 second'"
        " WHERE order_id = %s"
    )
    admin.execute(set_left, (5, before.order_id))
    admin.execute(set_left, (0, after.order_id))
    assert before.charge(PART_FEN) is None
    assert after.charge(PART_FEN) == "service_order_expired"
    with committing_app.app_context():
        assert due.expire_due_orders(limit=10) == 1
        assert shop.account() == (PART_FEN, 0)


def test_the_ledgers_own_sweep_may_be_first(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """The order still ends, and nothing is released twice."""
    shop = make_shop(
        committing_app, use_within_seconds=1, claim_within_seconds=0, start_within_seconds=1
    )
    with committing_app.app_context(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "CONFIRM_WITHIN", timedelta())
        order_id = shop.started(HELD_FEN)
        admin.execute("SELECT pg_sleep_until(max(hold_expires_at)) FROM service_orders")
        assert ledger.expire_due_holds(limit=10) == 1
        assert due.expire_due_orders(limit=10) == 1
        assert shop.account() == (0, 0)
        assert_ledger_balances()
    assert shop.state(order_id) == "expired"


def test_an_order_sent_twice_at_once_holds_once(committing_app: Flask) -> None:
    shop = make_shop(committing_app)
    body: dict[str, Any] = {"order_id": str(new_id())}

    def order() -> int:
        return Shop(
            committing_app.test_client(), shop.line_id, shop.clerk, shop.holder
        ).order(HELD_FEN, **body).status_code

    assert at_once([order] * 8) == [201] * 8
    with committing_app.app_context():
        assert shop.account() == (0, HELD_FEN)

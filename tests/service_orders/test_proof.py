"""The proof of orders finds what disagrees; lost notices are asked for."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from app.service_orders.queries import verify
from tests.service_orders.shop import Shop, done, make_shop

BROKEN = {
    "O1": "UPDATE service_orders SET state = 'expired', deadline_at = NULL WHERE order_id = %s",
    "O2": "UPDATE ledger_accounts SET held_units = held_units + 1 WHERE citizen_id ="
          " (SELECT citizen_id FROM service_orders WHERE order_id = %s)",
    "O3": "UPDATE service_orders SET insured_fen = insured_fen - 1 WHERE order_id = %s",
    "O4": "UPDATE service_orders SET step_count = step_count + 1 WHERE order_id = %s",
}  # fmt: skip


def used(app: Flask) -> tuple[Shop, dict[str, str]]:
    """A shop, and an order to break for each promise."""
    shop = make_shop(app)
    running, billed = shop.started(), shop.started()
    done(shop.counter(billed, "complete", total_fen=1_000, insured_fen=400))
    done(shop.act(billed, "dispute"))
    done(shop.counter(billed, "resolve", amount_fen=500))
    paid = shop.started()
    done(shop.counter(paid, "complete", total_fen=700))
    done(shop.counter(paid, "payment"))
    done(shop.act(shop.ordered(), "cancel"))
    return shop, {"O1": running, "O2": running, "O3": billed, "O4": paid}


def test_the_command_says_that_orders_are_sound(app: Flask) -> None:
    used(app)
    result = app.test_cli_runner().invoke(args=["orders", "verify"])
    assert (result.exit_code, result.output) == (0, "the orders are sound\n")


@pytest.mark.parametrize("invariant", sorted(BROKEN))
def test_each_broken_promise_is_named(
    committing_app: Flask, admin: psycopg.Connection[Any], invariant: str
) -> None:
    shop, orders = used(committing_app)
    with committing_app.app_context():
        assert verify() == []
        admin.execute(BROKEN[invariant], (orders[invariant],))
        found = verify()
    assert invariant in {fault.invariant for fault in found}
    assert str(shop.holder.citizen_id) in str(found[0])
    if invariant == "O4":
        result = committing_app.test_cli_runner().invoke(args=["orders", "verify"])
        assert result.exit_code == 1
        assert "first bad order: O4" in result.output

"""Service orders through HTTP: hold, use, settle; the guarantor carries, the card only holds."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.ledger.queries import balance
from app.service_orders import operations
from app.service_orders.due import expire_due_orders
from app.service_orders.transitions import TRANSITIONS, State
from tests.ledger.checks import assert_ledger_balances
from tests.redemptions.builders import (
    API,
    give_consent,
    make_citizen,
    make_clerk,
    publish_benefit,
    set_tier,
)
from tests.service_orders.shop import (
    LINE_FEN,
    NONCE,
    Shop,
    done,
    make_line,
    make_shop,
    refusal,
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    return make_shop(app)


def one_value(statement: str, **parameters: Any) -> Any:
    with reading() as session:
        return session.scalar(text(statement), parameters)


def wait_for_deadline(order_id: str) -> None:
    one_value(
        "SELECT pg_sleep_until(deadline_at) FROM service_orders WHERE order_id = :id",
        id=order_id,
    )


def test_returned_in_time_nothing_is_owed(shop: Shop) -> None:
    order_id = shop.started()
    assert shop.account() == (0, 9_900)
    assert done(shop.counter(order_id, "complete", total_fen=0))["state"] == "released"
    assert shop.account() == (0, 0)
    assert_ledger_balances()


def test_a_bill_is_owed_and_paid_at_the_counter(shop: Shop) -> None:
    order_id = shop.started()
    billed = done(shop.counter(order_id, "complete", total_fen=1_500))
    assert (billed["state"], billed["owed_fen"]) == ("completed", 1_500)
    assert shop.account() == (1_500, 0)
    assert done(shop.counter(order_id, "payment"))["state"] == "paid"
    assert shop.account() == (0, 0)
    assert_ledger_balances()


def test_damage_is_claimed_in_part_and_repaid(shop: Shop) -> None:
    order_id = shop.started()
    assert done(shop.counter(order_id, "claim", amount_fen=4_000))["state"] == "claimed"
    assert shop.account() == (4_000, 0)
    assert done(shop.counter(order_id, "payment"))["state"] == "repaid"
    assert shop.account() == (0, 0)


def test_insurance_pays_first(app: Flask) -> None:
    shop = make_shop(app, kind="clinic", guarantor_kind="bank")
    order_id = shop.started(20_000)
    bill: dict[str, Any] = {"total_fen": 50_000, "insured_fen": 38_000}
    assert done(shop.counter(order_id, "complete", **bill))["owed_fen"] == 12_000
    own = done(shop.own("GET", f"/{order_id}"))
    assert (own["billed_fen"], own["insured_fen"], own["owed_fen"]) == (50_000, 38_000, 12_000)
    all_insured = shop.started(20_000)
    bill = {"total_fen": 50_000, "insured_fen": 50_000}
    assert done(shop.counter(all_insured, "complete", **bill))["state"] == "released"
    assert shop.account() == (12_000, 0)


def test_no_more_than_held_and_no_more_insured_than_billed(shop: Shop) -> None:
    order_id = shop.started()
    too_much: list[tuple[str, dict[str, Any]]] = [
        ("complete", {"total_fen": 9_901}),
        ("complete", {"total_fen": 10, "insured_fen": 11}),
        ("claim", {"amount_fen": 9_901}),
    ]
    for verb, body in too_much:
        assert refusal(shop.counter(order_id, verb, **body)) == "service_amount_too_large"
    assert shop.account() == (0, 9_900)


def test_a_large_amount_is_confirmed_on_the_phone(shop: Shop) -> None:
    order_id = shop.ordered(20_001)
    assert done(shop.counter(order_id, "start", nonce=NONCE))["state"] == "confirming"
    assert refusal(shop.counter(order_id, "complete", total_fen=1)) == "service_order_state"
    wrong = shop.act(order_id, "confirm", nonce="483921")
    assert refusal(wrong) == "service_nonce_mismatch"
    act = {"act_id": str(new_id()), "nonce": NONCE}
    for _ in range(2):  # sent again
        assert done(shop.act(order_id, "confirm", **act))["state"] == "in_use"
    assert NONCE not in shop.own("GET", f"/{order_id}").text


def test_without_a_word_from_the_phone_the_hold_is_void_after_a_minute(shop: Shop) -> None:
    order_id = shop.ordered(20_001)
    done(shop.counter(order_id, "start", nonce=NONCE))
    within = one_value(
        "SELECT extract(epoch FROM deadline_at - clock_timestamp()) FROM service_orders"
        " WHERE order_id = :id", id=order_id,
    )
    assert 0 < within <= 60
    with transaction() as session:
        session.execute(
            text("UPDATE service_orders SET deadline_at = clock_timestamp() WHERE order_id = :id"),
            {"id": order_id},
        )
    late = shop.act(order_id, "confirm", nonce=NONCE)
    assert refusal(late) == "service_order_expired"
    assert expire_due_orders(limit=10) == 1
    assert shop.state(order_id) == "expired"
    assert shop.account() == (0, 0)
    assert_ledger_balances()


def test_an_order_ends_by_the_databases_clock(app: Flask) -> None:
    shop = make_shop(app, start_within_seconds=1)
    order_id = shop.ordered()
    assert expire_due_orders(limit=10) == 0
    wait_for_deadline(order_id)
    for answer in (
        shop.counter(order_id, "start", nonce=NONCE), shop.act(order_id, "cancel"),
    ):  # fmt: skip
        assert refusal(answer) == "service_order_expired"
    assert expire_due_orders(limit=10) == 1
    assert (shop.state(order_id), shop.account()) == ("expired", (0, 0))


@pytest.mark.parametrize(
    ("verb", "body", "state"),
    [
        ("claim", {"amount_fen": 9_900}, "claimed"),
        ("complete", {"total_fen": 1_500}, "completed"),
        ("complete", {"total_fen": 0}, "released"),
    ],
)
def test_l8_what_is_not_back_in_time_is_claimed_until_the_hold_ends_and_not_after(
    app: Flask, monkeypatch: pytest.MonkeyPatch, verb: str, body: dict[str, Any], state: str
) -> None:
    """The hold outlives the use by the line's grace; at its end nothing is posted."""
    monkeypatch.setattr(operations, "CONFIRM_WITHIN", timedelta())
    shop = make_shop(
        app, start_within_seconds=1, use_within_seconds=1, claim_within_seconds=7_200
    )
    late, too_late = shop.started(), shop.started()
    assert one_value(
        "SELECT bool_and(o.deadline_at = t.hold_expires_at"
        " AND t.hold_expires_at = o.use_ends_at + interval '2 hours')"
        " FROM service_orders o JOIN ledger_transfers t ON t.transfer_id = o.hold_id"
    )
    one_value("SELECT pg_sleep_until(max(use_ends_at)) FROM service_orders")
    assert done(shop.counter(late, verb, **body))["state"] == state
    with transaction() as session:
        session.execute(
            text("UPDATE service_orders SET deadline_at = clock_timestamp() WHERE order_id = :id"),
            {"id": too_late},
        )
    assert refusal(shop.counter(too_late, verb, **body)) == "service_order_expired"
    assert expire_due_orders(limit=10) == 1
    assert (shop.state(late), shop.state(too_late)) == (state, "expired")


def test_a_dispute_stops_the_clock_and_only_lowers(shop: Shop) -> None:
    order_id = shop.started()
    done(shop.counter(order_id, "complete", total_fen=5_000))
    disputed = done(shop.act(order_id, "dispute"))
    assert (disputed["state"], disputed["due_at"]) == ("bill_disputed", None)
    more = shop.counter(order_id, "resolve", amount_fen=5_001)
    assert refusal(more) == "service_amount_too_large"
    upheld = done(shop.counter(order_id, "resolve", amount_fen=3_000))
    assert (upheld["state"], upheld["owed_fen"]) == ("completed", 3_000)
    assert shop.account() == (3_000, 0)
    done(shop.counter(order_id, "dispute"))
    assert done(shop.counter(order_id, "resolve", amount_fen=0))["state"] == "released"
    assert shop.account() == (0, 0)
    assert_ledger_balances()


def test_the_same_id_orders_once(shop: Shop) -> None:
    body: dict[str, Any] = {"order_id": str(new_id())}
    first = done(shop.order(**body), 201)
    assert done(shop.order(**body), 201) == first
    assert shop.account() == (0, 9_900)
    assert refusal(shop.order(9_901, **body)) == "id_reused"


def test_an_act_sent_again_changes_nothing(shop: Shop) -> None:
    order_id = shop.started()
    act: dict[str, Any] = {"act_id": str(new_id()), "amount_fen": 700}
    first = done(shop.counter(order_id, "claim", **act))
    again = done(shop.counter(order_id, "claim", **act))
    assert first | {"reference": ""} == again | {"reference": ""}
    assert refusal(shop.counter(order_id, "claim", **act | {"amount_fen": 701})) == "id_reused"
    other = shop.started()
    assert refusal(shop.counter(other, "claim", **act)) == "id_reused"
    assert shop.account() == (700, 9_900)


def test_a_line_bounds_what_a_tier_may_use(shop: Shop) -> None:
    shop.ordered(LINE_FEN - 9_900)
    shop.ordered(9_900)
    assert refusal(shop.order(1)) == "insufficient_credit"


def test_r5_who_is_not_eligible_is_served_the_ordinary_way(app: Flask) -> None:
    shop = make_shop(app, tier="A")
    answer = shop.order()
    assert refusal(answer) == "service_order_not_eligible"
    assert answer.get_json()["tiers"] == ["AA", "AAA"]


def test_a_lower_tier_leaves_what_is_in_use(app: Flask, shop: Shop) -> None:
    order_id = shop.started()
    set_tier(app, shop.holder.citizen_id, "A")
    assert refusal(shop.order()) == "service_order_not_eligible"
    assert done(shop.counter(order_id, "complete", total_fen=100))["state"] == "completed"


def test_r3_each_kind_has_its_own_consent(app: Flask, shop: Shop) -> None:
    line_id = make_line(app, shop.clerk.merchant_id, kind="clinic", guarantor_kind="hospital")
    answer = shop.order(line_id=str(line_id))
    assert (answer.status_code, refusal(answer)) == (403, "service_consent_needed")
    assert answer.get_json()["purpose"] == "clinic"
    shop.ordered()  # the rental still works
    give_consent(app, shop.holder.citizen_id, "clinic")
    done(shop.order(line_id=str(line_id)), 201)


def test_overdue_blocks_new_orders_of_its_kind_and_nothing_else(app: Flask) -> None:
    shop = make_shop(app, pay_within_days=0)
    clinic = make_line(app, shop.clerk.merchant_id, kind="clinic", guarantor_kind="bank")
    give_consent(app, shop.holder.citizen_id, "clinic")
    ticket = publish_benefit(app)
    order_id, running = shop.started(), shop.started()
    done(shop.counter(order_id, "complete", total_fen=100))
    before = standing_of(shop)
    assert refusal(shop.order()) == "service_order_overdue"
    done(shop.order(line_id=str(clinic)), 201)
    shop.holder.claimed(shop.client, ticket)
    assert standing_of(shop) == before
    assert done(shop.counter(running, "complete", total_fen=0))["state"] == "released"
    done(shop.counter(order_id, "payment"))
    done(shop.order(), 201)


def standing_of(shop: Shop) -> object:
    """Score, tier and points."""
    score = one_value(
        "SELECT (total, tier)::text FROM scores WHERE citizen_id = :id",
        id=shop.holder.citizen_id,
    )
    return score, balance(citizen_id=shop.holder.citizen_id)


def test_r4_who_leaves_settles_what_was_begun_and_begins_nothing(shop: Shop) -> None:
    running, waiting = shop.started(), shop.ordered()
    references = {one: shop.reference(one) for one in (running, waiting)}
    with transaction() as session:
        session.execute(
            text("UPDATE citizens SET status = 'left' WHERE citizen_id = :id"),
            {"id": shop.holder.citizen_id},
        )

    def ask(order_id: str, verb: str, **values: Any) -> Any:
        body = {
            "act_id": str(new_id()), "shop_id": str(shop.clerk.shop_id),
            "reference": references[order_id], **values,
        }
        return shop.client.post(
            f"{API}/service-orders/{verb}", json=body, headers=shop.clerk.headers
        )

    refused = ask(waiting, "start", nonce=NONCE)
    assert refusal(refused) == "service_consent_needed"
    assert "consent_state" not in refused.get_json()  # the counter is not told why
    assert done(ask(running, "complete", total_fen=800))["state"] == "completed"
    assert done(ask(running, "payment"))["state"] == "paid"


def test_only_the_merchant_that_started_gets_further(app: Flask, shop: Shop) -> None:
    stranger, order_id = make_clerk(app), shop.ordered()
    foreign = shop.counter(order_id, "start", clerk=stranger, nonce=NONCE)
    assert refusal(foreign) == "service_order_unknown"
    done(shop.counter(order_id, "start", nonce=NONCE))
    for verb in ("payment", "dispute"):
        answer = shop.counter(order_id, verb, clerk=stranger)
        assert (answer.status_code, refusal(answer)) == (404, "service_order_unknown")
    broken = shop.counter(order_id, "payment", reference="IC1S:AAAA")
    assert refusal(broken) == "service_order_unknown"


def test_r23_the_counter_learns_nothing_about_the_person(app: Flask, shop: Shop) -> None:
    order_id = shop.started()
    answer = shop.client.get(
        f"{API}/service-orders?shop_id={shop.clerk.shop_id}", headers=shop.clerk.headers
    )
    seen = done(answer)["orders"]
    assert set(seen[0]) == {
        "reference", "order_id", "kind", "state", "held_fen", "owed_fen", "use_ends_at",
        "deadline_at", "due_at", "created_at", "is_disputed",
    }  # fmt: skip
    assert str(shop.holder.citizen_id) not in answer.text
    assert shop.reference(order_id) != shop.reference(order_id)
    stranger = make_citizen(app)
    assert refusal(shop.own("GET", f"/{order_id}", who=stranger)) == "service_order_unknown"
    assert done(shop.own("GET", who=stranger)) == {"orders": []}


def test_the_holder_reads_who_did_what(shop: Shop) -> None:
    order_id = shop.started()
    done(shop.counter(order_id, "complete", total_fen=0))
    lines = done(shop.client.get(f"{API}/me/trail", headers=shop.holder.headers))
    actions = [line["action"] for line in lines["lines"]]
    assert {"service_order_created", "service_order_start", "service_order_release"} <= set(actions)


def test_settled_is_what_nothing_follows(app: Flask) -> None:
    """The states in SQL are those of the one table."""
    with reading() as session:
        body = session.scalar(
            text("SELECT prosrc FROM pg_proc WHERE proname = 'service_orders_settled'")
        )
    goes_on = {state for state, _ in TRANSITIONS}
    assert set(re.findall(r"'(\w+)'", str(body))) == set(State) - goes_on

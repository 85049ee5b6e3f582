"""R27: what a pass code opens at a library or a service counter, a paper card opens too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.ledger.queries import guarantee_balance
from app.service_orders.queries import find_order, verify
from app.trail.queries import list_trail
from tests.counter.desk import Desk, Holder, done, fresh_code, make_desk, make_holder, told
from tests.library.reading_room import Library, open_library, publish_figures
from tests.redemptions.builders import API, give_consent, make_clerk, make_merchant, set_tier
from tests.service_orders.shop import LINE_FEN, make_line
from wechat_integration.sandbox.control import SandboxControl

LARGE_FEN, SMALL_FEN = 30_000, 9_900


def told_to(holder: Holder) -> list[tuple[str, str]]:
    """Who did what, the first one first."""
    lines = list_trail(citizen_id=holder.citizen_id, limit=50)
    return [(line.actor_kind, line.action) for line in reversed(lines)]


def test_r27_a_paper_card_registers_a_deposit_waiver(
    app: Flask, sandbox: SandboxControl
) -> None:
    publish_figures(app)
    library: Library = open_library(app, app.test_client())
    desk, holder = replace(make_desk(app), clerk=library.clerk), make_holder(app)
    give_consent(app, holder.citizen_id, "library")
    set_tier(app, holder.citizen_id, "AAA")
    card = desk.issued(holder)["number"]  # typed
    check = desk.started(card)
    pin = sandbox.sent_pins(phone=holder.phone)[-1]
    wrong = f"{(int(pin) + 1) % 1_000_000:06d}"
    assert told(desk.finish(check, at="/library", pin=wrong)) == (403, "pin_wrong")
    shown = done(desk.finish(check, at="/library", pin=pin))
    assert (shown["tier"], shown["books"], shown["deposit_waived"]) == ("AAA", 25, True)
    assert done(library.register(shown["reference"]), 201)["kind"] == "reader"
    assert told(library.register(shown["reference"], kind="children"))[1] == "code_burnt"
    assert told(desk.finish(check, at="/library", pin=pin)) == (409, "card_check_over")

    without = make_holder(app, phone=None)  # no phone at all: by the identity card
    check = desk.started(desk.issued(without)["code"], "document")
    totp = fresh_code(app, desk.clerk.staff_id)
    assert done(desk.finish(check, at="/library", totp=totp))["books"] == 15
    assert ("clerk", "library_ask") in told_to(without)
    assert told_to(holder)[-3:] == [
        ("clerk", "card_checked_by_pin"), ("clerk", "library_ask"),
        ("clerk", "library_waiver_registered"),
    ]


class Hospital:
    """A counter with a line for clinics, and somebody with a paper card before it."""

    def __init__(self, app: Flask, **facts: Any) -> None:
        merchant_id = make_merchant(app)
        self.app, self.line_id = app, make_line(
            app, merchant_id, kind="clinic", guarantor_kind="hospital", **facts
        )
        self.desk: Desk = replace(
            make_desk(app), clerk=make_clerk(app, merchant_id=merchant_id)
        )
        self.holder = self.person(app)
        self.card = self.desk.issued(self.holder)["code"]

    @staticmethod
    def person(app: Flask, **changes: Any) -> Holder:
        holder = make_holder(app, **changes)
        give_consent(app, holder.citizen_id, "clinic")
        set_tier(app, holder.citizen_id, "AA")
        return holder

    def terms(self, amount_fen: int) -> dict[str, Any]:
        return {"line_id": str(self.line_id), "amount_fen": amount_fen}

    def open(self, check: str, amount_fen: int, order_id: str = "", **proof: Any) -> Any:
        return self.desk.finish(
            check, at="/order", order_id=order_id or str(new_id()), terms=self.terms(amount_fen),
            **proof,
        )

    def act(self, verb: str, reference: str, **values: Any) -> Any:
        body = {
            "act_id": str(new_id()), "shop_id": str(self.desk.clerk.shop_id),
            "reference": reference, **values,
        }
        return done(self.desk.client.post(
            f"{API}/service-orders/{verb}", json=body, headers=self.desk.clerk.headers
        ))


@pytest.fixture
def hospital(app: Flask) -> Hospital:
    return Hospital(app)


def test_r27_the_pin_for_its_terms_is_the_holders_word(
    hospital: Hospital, sandbox: SandboxControl
) -> None:
    holder, order_id = hospital.holder, str(new_id())
    check = hospital.desk.started(hospital.card, terms=hospital.terms(LARGE_FEN))
    pin = sandbox.sent_pins(phone=holder.phone)[-1]
    assert told(hospital.open(check, LARGE_FEN + 1, pin=pin)) == (403, "pin_wrong")
    assert told(hospital.desk.finish(check, pin=pin)) == (403, "pin_wrong")  # for nothing else
    for _ in range(2):  # the answer was lost
        made = done(hospital.open(check, LARGE_FEN, order_id, pin=pin), 201)
    assert (made["order_id"], made["state"], made["held_fen"]) == (order_id, "in_use", LARGE_FEN)
    assert told(hospital.open(check, LARGE_FEN, pin=pin)) == (409, "card_check_over")
    assert told_to(holder)[-4:] == [
        ("clerk", "card_checked_by_pin"), ("clerk", "service_order_created"),
        ("clerk", "service_order_ask"), ("citizen", "service_order_confirm"),
    ]
    billed = hospital.act("complete", made["reference"], total_fen=20_000, insured_fen=8_000)
    assert billed["owed_fen"] == 12_000
    assert hospital.act("payment", made["reference"])["state"] == "paid"
    assert verify() == []


def test_r27_a_pin_for_something_else_opens_no_order(
    hospital: Hospital, sandbox: SandboxControl
) -> None:
    check = hospital.desk.started(hospital.card)
    pin = sandbox.sent_pins(phone=hospital.holder.phone)[-1]
    assert told(hospital.open(check, SMALL_FEN, pin=pin)) == (403, "pin_wrong")


def test_r27_without_a_phone_the_identity_card_opens_what_needs_no_confirmation(
    app: Flask, hospital: Hospital
) -> None:
    holder = hospital.person(app, phone=None)
    check = hospital.desk.started(hospital.desk.issued(holder)["code"], "document")

    def by_document(amount_fen: int) -> Any:
        totp = fresh_code(app, hospital.desk.clerk.staff_id)
        return hospital.open(check, amount_fen, totp=totp)

    refused = by_document(LARGE_FEN)
    assert told(refused) == (409, "service_confirmation_needed")
    assert refused.get_json()["confirm_above_fen"] == 20_000
    made = done(by_document(SMALL_FEN), 201)  # the check went on waiting
    assert made["state"] == "in_use"
    order = find_order(citizen_id=holder.citizen_id, order_id=UUID(made["order_id"]))
    assert order is not None
    assert ("citizen", "service_order_confirm") not in told_to(holder)
    assert verify() == []


@pytest.mark.parametrize(("lacking", "code"), [
    ("consent", "service_consent_needed"), ("tier", "service_order_not_eligible"),
    ("credit", "insufficient_credit"), ("line", "guarantee_line_unknown"),
    ("counter", "service_line_by_phone"),
])  # fmt: skip
def test_r2_r27_a_paper_card_opens_no_more_than_a_phone(
    app: Flask, sandbox: SandboxControl, lacking: str, code: str
) -> None:
    facts = {"collection": "pay_score"} if lacking == "counter" else {}
    hospital = Hospital(app, **facts)
    holder, amount_fen = hospital.holder, SMALL_FEN
    if lacking == "consent":
        holder = make_holder(app)
        set_tier(app, holder.citizen_id, "AA")
    if lacking == "tier":
        set_tier(app, holder.citizen_id, "A")
    if lacking == "credit":
        amount_fen = LINE_FEN + 1
    if lacking == "line":
        hospital.line_id = make_line(app, make_merchant(app))
    card = hospital.desk.issued(holder)["code"]
    check = hospital.desk.started(card, terms=hospital.terms(amount_fen))
    pin = sandbox.sent_pins(phone=holder.phone)[-1]
    assert told(hospital.open(check, amount_fen, pin=pin))[1] == code
    held = guarantee_balance(citizen_id=holder.citizen_id, purpose=f"line.{hospital.line_id}")
    assert held is None or held.held_fen == 0
    assert "service_order_created" not in str(told_to(holder))
    listed = hospital.desk.client.get(
        f"{API}/service-orders/lines", headers=hospital.desk.clerk.headers,
        query_string={"shop_id": str(hospital.desk.clerk.shop_id)},
    )
    lines = [one["line_id"] for one in done(listed)["lines"]]
    assert (str(hospital.line_id) in lines) == (lacking not in {"line", "counter"})

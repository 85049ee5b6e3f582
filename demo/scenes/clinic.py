"""Paying after treatment: insurance first, the rest is debited by WeChat Pay Score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo.api import Api, wait_for
from demo.scenes.orders import Desk, open_line, tell_offer, tell_seen
from demo.setting import HOSPITAL, open_shop
from demo.telling import tell, yuan

if TYPE_CHECKING:
    from demo.journey import Person, Scene
    from demo.setting import Shop

HELD_FEN, BILL_FEN, INSURED_FEN = 50_000, 32_000, 20_000
NONCE = "735104"  # shown at the counter where the holder must confirm; not below 1000 yuan


def open_hospital(scene: Scene, operators: tuple[Api, Api]) -> tuple[Shop, str]:
    """The hospital, and its line: a hospital or a bank stands for it, the card lends nothing."""
    hospital = open_shop(operators, scene.anybody, organisation=HOSPITAL, benefit="medical")
    line_id = open_line(operators, {
        "kind": "clinic", "name": "先诊疗后付费", "guarantor_kind": "hospital",
        "guarantor_code": HOSPITAL.credit_code, "guarantor_name": HOSPITAL.name,
        "merchant_ids": [hospital.merchant_id],
        "tiers": {"A": 50_000, "AA": 100_000, "AAA": 300_000}, "confirm_above_fen": 100_000,
        "pay_within_days": 0, "collection": "pay_score", "benefit_code": "medical",
    })  # fmt: skip
    tell("here published with 0 days to pay, so that the debit can be watched; a city would say 10")
    return hospital, line_id


def visit(scene: Scene, *, hospital: Shop, line_id: str, patient: Api, person: Person) -> Desk:
    """Permit debits, lock the visit, be treated, get the bill; the desk with the order open."""
    patient.post("/me/pay-score/permission")
    scene.wechat.permit_pay_score(openid=person.openid)
    given = patient.get("/me/pay-score/permission")["is_given"]
    tell(f"{person.name} permits debits in WeChat: {_word(given)}")
    desk = Desk(hospital, line_id, patient)
    tell_offer(patient, line_id, person.name)
    return desk


def be_treated(scene: Scene, desk: Desk, name: str) -> str:
    """From the order to the bill; the order's id."""
    order_id = desk.order(HELD_FEN)
    remote = wait_for(lambda: _remote(scene, "USER_CONFIRM"), what="the order at WeChat")
    tell(f"{name} orders a visit, {yuan(HELD_FEN)} is held; WeChat learns an amount, "
         f"{yuan(remote['risk_fund']['amount'])}, and for what: “{remote['service_introduction']}”")
    seen = desk.act(order_id, "start", nonce=NONCE)
    may_pay_later = _word(seen["state"] == "in_use")
    tell(f"the clinic scans the order: may this patient pay later? {may_pay_later}")
    tell_seen(seen)
    tell(f"the bill is {yuan(BILL_FEN)}, insurance pays {yuan(INSURED_FEN)} first:")
    seen = desk.act(order_id, "complete", total_fen=BILL_FEN, insured_fen=INSURED_FEN)
    tell_seen(seen)
    told = ", ".join(sorted(set(seen) - {"reference", "order_id"}))
    tell(f"everything that the clinic was told: an order's number, {told}; "
         "no name, no tier, no score, and the card no department, no diagnosis")  # fmt: skip
    return order_id


def be_debited(scene: Scene, desk: Desk, order_id: str, name: str) -> None:
    """The worker asks for the debit, WeChat takes it and sends a notice, the order is paid."""
    remote = wait_for(lambda: _remote(scene, "MCH_COMPLETE"), what="the bill at WeChat")
    tell(f"the worker has sent the bill to WeChat: {yuan(remote['total_amount'])}")
    scene.wechat.pay_pay_score(out_order_no=remote["out_order_no"])
    answers = scene.wechat.pay_notice_answers()
    tell(f"WeChat debits it and sends a signed and sealed notice; our answer: {answers[-1]}")
    paid = wait_for(lambda: _paid(desk, order_id), what="the payment")
    tell(f"{name}'s order of {paid['created_at']}: {paid['state']}")
    tell_offer(desk.holder, desk.line_id, name)


def _remote(scene: Scene, description: str) -> dict[str, Any] | None:
    """WeChat's own order, once it stands there."""
    orders = scene.wechat.pay_score_orders()
    return next((one for one in orders if one.get("state_description") == description), None)


def _paid(desk: Desk, order_id: str) -> dict[str, Any] | None:
    order: dict[str, Any] = desk.holder.get(f"/me/service-orders/{order_id}")
    return order if order["state"] == "paid" else None


def _word(yes: bool) -> str:  # noqa: FBT001 -- a word for a flag
    return "yes" if yes else "no"

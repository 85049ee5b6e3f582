"""A guarantor's line, a holder and a clerk, quickly: the acts go through HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger.queries import guarantee_balance
from app.service_orders.models import GuaranteeLine, GuaranteeLineDecision
from tests.redemptions.builders import (
    API,
    Citizen,
    Clerk,
    made_up_credit_code,
    make_citizen,
    make_clerk,
    make_merchant,
    publish_benefit,
)

NONCE = "483920"
LINE_FEN = 50_000


@dataclass(frozen=True)
class Shop:
    """One line, one clerk of a merchant that takes it, and somebody who may use it."""

    client: FlaskClient
    line_id: UUID
    clerk: Clerk
    holder: Citizen

    def own(
        self, method: str, path: str = "", body: Mapping[str, Any] | None = None,
        who: Citizen | None = None,
    ) -> TestResponse:
        return self.client.open(
            f"{API}/me/service-orders{path}", method=method, json=body,
            headers=(who or self.holder).headers,
        )

    def order(self, amount_fen: int = 9_900, **changes: Any) -> TestResponse:
        body = {
            "order_id": str(new_id()), "line_id": str(self.line_id), "amount_fen": amount_fen,
            **changes,
        }
        return self.own("POST", body=body)

    def ordered(self, amount_fen: int = 9_900) -> str:
        """The id of a new order."""
        return str(done(self.order(amount_fen), 201)["order_id"])

    def reference(self, order_id: str) -> str:
        return str(done(self.own("GET", f"/{order_id}/reference"))["reference"])

    def act(self, order_id: str, verb: str, **values: Any) -> TestResponse:
        """The holder's."""
        body = {"act_id": str(new_id()), **values}
        return self.own("POST", f"/{order_id}/{verb}", body)

    def counter(
        self, order_id: str, verb: str, *, clerk: Clerk | None = None, **values: Any
    ) -> TestResponse:
        """The clerk's."""
        who = clerk or self.clerk
        body = {
            "act_id": str(new_id()), "shop_id": str(who.shop_id),
            "reference": self.reference(order_id), **values,
        }
        return self.client.post(f"{API}/service-orders/{verb}", json=body, headers=who.headers)

    def started(self, amount_fen: int = 9_900) -> str:
        """An order in use."""
        order_id = self.ordered(amount_fen)
        assert done(self.counter(order_id, "start", nonce=NONCE))["state"] == "in_use"
        return order_id

    def state(self, order_id: str) -> str:
        return str(done(self.own("GET", f"/{order_id}"))["state"])

    def account(self) -> tuple[int, int]:
        """What is owed to the guarantor, and what is held."""
        found = guarantee_balance(
            citizen_id=self.holder.citizen_id, purpose=f"line.{self.line_id}"
        )
        assert found is not None
        return -found.balance_fen, found.held_fen


def make_line(app: Flask, merchant_id: UUID, **facts: Any) -> UUID:
    """A line that two operators made."""
    line_id = new_id()
    line = {
        "kind": "rental", "name": "共享雨伞免押", "guarantor_kind": "merchant",
        "guarantor_code": made_up_credit_code(), "guarantor_name": "担保方",
        "merchant_ids": [merchant_id], "tiers": {"AA": LINE_FEN, "AAA": 2 * LINE_FEN},
        "confirm_above_fen": 20_000, "start_within_seconds": 900,
        "use_within_seconds": 86_400, "claim_within_seconds": 86_400,
        "pay_within_days": 10, "collection": "counter",
        "proposed_by": new_id(), **facts,
    }  # fmt: skip
    with app.app_context(), transaction() as session:
        session.add(GuaranteeLine(line_id=line_id, **line))
        session.flush()
        session.add(GuaranteeLineDecision(line_id=line_id, decided_by=new_id()))
    return line_id


def publish_guarantee(app: Flask, *, kind: str = "clinic", code: str = "", **facts: Any) -> str:
    """A benefit that lines of a kind carry out; its code."""
    word = "deposit_waived_up_to_fen" if kind == "rental" else "pay_later_up_to_fen"
    fen = {"baseline": 0, "A": 0, "AA": LINE_FEN, "AAA": 2 * LINE_FEN}
    stated = {
        "kind": "guarantee", "consent_purpose": kind, "confirm_above_fen": 20_000,
        "values": {tier: {word: amount} for tier, amount in fen.items()}, **facts,
    }  # fmt: skip
    return publish_benefit(app, code=code or f"guarantee_{kind}", **stated)


def make_shop(app: Flask, *, tier: str = "AA", **facts: Any) -> Shop:
    """A shop whose line has these facts."""
    merchant_id = make_merchant(app)
    line_id = make_line(app, merchant_id, **facts)
    holder = make_citizen(app, tier=tier, consents=(facts.get("kind", "rental"),))
    clerk = make_clerk(app, merchant_id=merchant_id)
    return Shop(app.test_client(), line_id, clerk, holder)


def done(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    """The answer of an act that works."""
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def refusal(answer: TestResponse) -> str:
    """The code of a refusal."""
    assert answer.status_code >= 400, answer.text
    return str(answer.get_json()["code"])

"""A holder of a paper card, an operator who issues it, and a clerk's counter, quickly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.kernel.crypto import field_context, keyed_digest, seal
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyPurpose
from app.members import operations as members
from app.trail.queries import list_trail
from app.web.auth import Role
from tests.members.api import keys_of
from tests.members.people import made_up_member
from tests.redemptions.builders import API, Clerk, make_clerk, make_staff, staff_tokens

REASON = "本人到窗口办理纸质卡"
VISITING = "本人到窗口请求代办"
# What a holder asks for and follows on a visit: acts with bodies that fit.
REMEDIES: dict[str, dict[str, Any] | None] = {
    "cases": None, "trail": {}, "copies": {"copy_id": str(new_id())},
    "objections": {
        "objection_id": str(new_id()), "kind": "redemption", "item_id": str(new_id()),
        "reason": "other", "words": "当天没有去过",
    },
    "objections/second-look": {"objection_id": str(new_id())},
    "repairs": {
        "application_id": str(new_id()), "record_type": "faults", "record_number": "F-1",
        "evidence": "结案证明", "commitment": "按期履行",
    },
    "complaints": {
        "complaint_id": str(new_id()), "voucher_id": str(new_id()), "category": "refused",
        "text": "店员说今天不收", "text_shared": False,
    },
}  # fmt: skip
_SECRET = "JBSWY3DPEHPK3PXP" * 2


def fresh_code(app: Flask, staff_id: UUID) -> str:
    """A code that was not spent, of an account that signs in without a password."""
    context = field_context(table="staff_credentials", column="totp_sealed", row_id=staff_id)
    sealed = seal(
        keys_of(app).active(KeyPurpose.STAFF_SECRET), _SECRET.encode(), context=context
    )
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO staff_credentials (staff_id, password_hash, totp_sealed)"
                " VALUES (:staff, 'none', :sealed)"
                " ON CONFLICT (staff_id) DO UPDATE SET totp_last_step = 0"
            ),
            {"staff": staff_id, "sealed": sealed},
        )
    return pyotp.TOTP(_SECRET).now()


def code_after_wrong_ones(app: Flask, staff_id: UUID) -> str:
    """A fresh code of an account that was slowed down for wrong ones, as when time has passed."""
    key = keys_of(app).active(KeyPurpose.SIGN_IN)
    tries = keyed_digest(key, f"second factor:{staff_id}".encode())
    with app.app_context(), transaction() as session:
        session.execute(text("SELECT sign_in_succeeded(:tries, :tries)"), {"tries": tries})
    return fresh_code(app, staff_id)


@dataclass(frozen=True)
class Holder:
    """Somebody without a smartphone."""

    citizen_id: UUID
    person: members.NewMember

    @property
    def phone(self) -> str:
        return str(self.person.phone)


def make_holder(app: Flask, **changes: Any) -> Holder:
    person = replace(made_up_member(), **changes)
    with app.app_context(), transaction():
        return Holder(members.register_member(keys=keys_of(app), **vars(person)), person)


@dataclass(frozen=True)
class Desk:
    """An operator and a clerk who speak HTTP."""

    app: Flask
    client: FlaskClient
    operator_id: UUID
    operator: dict[str, str]
    clerk: Clerk

    def issue(self, holder: Holder, **changes: Any) -> TestResponse:
        body = {
            "card_id": str(new_id()), "id_number": holder.person.id_number, "reason": REASON,
            "totp": fresh_code(self.app, self.operator_id), **changes,
        }
        return self.client.post(f"{API}/paper-cards", json=body, headers=self.operator)

    def issued(self, holder: Holder) -> dict[str, Any]:
        """What is printed."""
        return done(self.issue(holder), 201)

    def print_sheet(self, holder: Holder) -> TestResponse:
        return self._with(holder, "/paper-cards/sheet")

    def leave(self, holder: Holder) -> TestResponse:
        return self._with(holder, "/counter/leavings")

    def _with(self, holder: Holder, path: str) -> TestResponse:
        body = {
            "id_number": holder.person.id_number, "reason": REASON,
            "totp": fresh_code(self.app, self.operator_id),
        }
        return self.client.post(f"{API}{path}", json=body, headers=self.operator)

    def start(
        self, card: str, way: str = "pin", clerk: Clerk | None = None, **changes: Any
    ) -> TestResponse:
        who = clerk or self.clerk
        body = {
            "check_id": str(new_id()), "shop_id": str(who.shop_id), "card": card, "way": way,
            **changes,
        }
        return self.client.post(f"{API}/card-checks", json=body, headers=who.headers)

    def started(self, card: str, way: str = "pin", **changes: Any) -> str:
        return str(done(self.start(card, way, **changes), 201)["check"])

    def finish(
        self, check: str, clerk: Clerk | None = None, at: str = "", **proof: Any
    ) -> TestResponse:
        who = clerk or self.clerk
        body = {"shop_id": str(who.shop_id), "check": check, **proof}
        return self.client.post(f"{API}/card-checks/passing{at}", json=body, headers=who.headers)

    def redeem(self, reference: str) -> TestResponse:
        body = {
            "redemption_id": str(new_id()), "shop_id": str(self.clerk.shop_id),
            "reference": reference,
        }
        return self.client.post(f"{API}/redemptions", json=body, headers=self.clerk.headers)


def make_desk(app: Flask) -> Desk:
    operator_id, opened = make_staff(app, Role.OPERATOR)
    return Desk(
        app, app.test_client(), operator_id, dict(staff_tokens(opened)), make_clerk(app)
    )


def another(desk: Desk) -> Desk:
    """The desk of a colleague."""
    operator_id, session = make_staff(desk.app, Role.OPERATOR)
    return replace(desk, operator_id=operator_id, operator=dict(staff_tokens(session)))


def post(desk: Desk, path: str, body: Any = None) -> TestResponse:
    return desk.client.post(f"{API}/counter/{path}", json=body, headers=desk.operator)


def start(desk: Desk, **who: str) -> TestResponse:
    body = {
        "visit_id": str(new_id()), "way": "pin" if "card" in who else "document",
        "reason": VISITING, "totp": fresh_code(desk.app, desk.operator_id), **who,
    }
    return post(desk, "visits", body)


def opened(desk: Desk, holder: Holder) -> str:
    """A visit of somebody whose identity card was looked at."""
    made = done(start(desk, id_number=holder.person.id_number), 201)
    assert made["is_open"] is True
    return str(made["visit_id"])


def actions_of(holder: Holder) -> list[str]:
    return [line.action for line in list_trail(citizen_id=holder.citizen_id, limit=50)]


def done(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_json()
    document: dict[str, Any] = answer.get_json()
    return document


def told(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, str(answer.get_json()["code"])

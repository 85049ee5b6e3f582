"""A town that journeys walk through: everything happens over HTTP, as the programs do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pyotp
from flask.testing import FlaskClient

from app.kernel.clock import city_date, now
from app.kernel.ids import new_id
from tests.members.api import (
    PASSWORD,
    Account,
    Person,
    bearer,
    claims_of,
    join,
    made_up_person,
    sign_in_staff,
)
from tests.merchants.applying import Applicant
from tests.records.api import make_source, upload
from tests.records.programme import csv_file
from tests.redemptions.builders import Citizen, Clerk
from wechat_integration.sandbox.control import SandboxControl

API = "/api/v1"


@dataclass(frozen=True)
class Town:
    """The service, its operator, and the WeChat beside it."""

    client: FlaskClient
    wechat: SandboxControl
    operator: dict[str, str]

    def person(self) -> Person:
        """Somebody with a WeChat account whom nobody knows yet."""
        return made_up_person(self.wechat)

    def join(self, person: Person, *purposes: str) -> Citizen:
        """Sign in by WeChat, read the texts, agree to membership and more, and join."""
        texts = self.get("/consent-texts", {})["texts"]
        consents = [
            {"purpose": text["purpose"], "text_version": text["version"]}
            for text in texts if text["required"] or text["purpose"] in purposes
        ]
        joined = join(self.client, self.wechat, person, consents=consents)
        assert joined.status_code == 201, joined.get_json()
        token = joined.get_json()["access_token"]
        claims = claims_of(token)
        return Citizen(UUID(claims["sub"]), UUID(claims["sid"]), bearer(token))

    def import_register(self, *people: Person, joined_on: date) -> None:
        """The operator brings the register of those who consented at a counter."""
        rows = [
            [one.name, one.id_number, one.phone, joined_on.isoformat()] for one in people
        ]
        report = upload(
            self.client, self.operator, csv_file("members", *rows),
            url=f"{API}/register-imports", delivered_on=joined_on.isoformat(),
        )
        assert report.get_json()["accepted_count"] == len(people), report.get_json()

    def department(self, *record_types: str) -> dict[str, str]:
        """A department's machine, signed in."""
        return make_source(self.client, self.operator, *record_types)

    def deliver(
        self, machine: dict[str, str], record_type: str, *rows: Sequence[str]
    ) -> dict[str, Any]:
        """A department sends today's file; the report."""
        sent = upload(
            self.client, machine, csv_file(record_type, *rows),
            record_type=record_type, delivered_on=today().isoformat(),
        )
        assert sent.status_code == 200, sent.get_json()
        report: dict[str, Any] = sent.get_json()
        return report

    def counter(self, benefit_code: str) -> Clerk:
        """A merchant with a shop, allowed to take the benefit, and a clerk behind the counter."""
        applicant = Applicant(self.client, name="商户", shops=[{"name": "前台"}])
        merchant_id = applicant.approved_by(self.operator, self._another_operator())
        self.post("/benefit-merchants", 204, {
            "benefit_code": benefit_code, "merchant_id": merchant_id,
        })
        _, owner = self._hire(applicant.owner_code(), "merchant_owner")
        (shop,) = self.get("/merchant/shops", owner)["shops"]
        invitation = {"role": "clerk", "display_name": "窗口", "shop_id": shop["shop_id"]}
        made = self.post("/merchant/staff-invitations", 201, invitation, owner)
        staff_id, headers = self._hire(made["code"], "clerk")
        session_id = UUID(claims_of(headers["Authorization"].removeprefix("Bearer "))["sid"])
        return Clerk(staff_id, session_id, UUID(merchant_id), UUID(shop["shop_id"]), headers)

    def get(self, path: str, headers: Any) -> dict[str, Any]:
        """GET a document."""
        answer = self.client.get(API + path, headers=headers)
        assert answer.status_code == 200, answer.get_json()
        found: dict[str, Any] = answer.get_json()
        return found

    def post(
        self, path: str, expected: int, body: dict[str, Any], headers: Any = None
    ) -> dict[str, Any]:
        """POST a document, as the operator unless told otherwise; what came back."""
        answer = self.client.post(API + path, json=body, headers=headers or self.operator)
        assert answer.status_code == expected, answer.get_json()
        found: dict[str, Any] = answer.get_json() if answer.data else {}
        return found

    def points(self, citizen: Citizen) -> tuple[int, int, int]:
        """Balance, held and available."""
        found = self.get("/me/balance", citizen.headers)
        return found["balance_points"], found["held_points"], found["available_points"]

    def _another_operator(self) -> dict[str, str]:
        """The operator makes an account for a colleague."""
        username = f"operator-{new_id()}"
        made = self.post("/staff", 201, {
            "username": username, "password": PASSWORD, "role": "operator",
            "display_name": "二号窗口",
        })
        return self._signed_in(username, made, "operator")[1]

    def _hire(self, code: str, role: str) -> tuple[UUID, dict[str, str]]:
        """Somebody opens an account with a code, and signs in with the authenticator."""
        username = f"{role}-{new_id()}"
        made = self.post("/staff-invitations/acceptance", 201, {
            "code": code, "username": username, "password": PASSWORD,
        })
        return self._signed_in(username, made, role)

    def _signed_in(
        self, username: str, made: dict[str, Any], role: str
    ) -> tuple[UUID, dict[str, str]]:
        totp = pyotp.parse_uri(made["totp_uri"])
        assert isinstance(totp, pyotp.TOTP)
        account = Account(username, UUID(made["staff_id"]), totp, role)
        signed_in = sign_in_staff(self.client, account)
        assert signed_in.status_code == 200, signed_in.get_json()
        return account.staff_id, bearer(signed_in.get_json()["access_token"])


def today() -> date:
    """The day in the city."""
    return city_date(now())

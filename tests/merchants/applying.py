"""An organisation that applies over HTTP, and the operators who decide."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.kernel.ids import new_id
from tests.redemptions.builders import API, made_up_credit_code

REASON = {"reason": "资料已经核对无误"}
CONTACT = {"contact_name": "王小明", "contact_phone": "0579-82345678"}


class Applicant:
    """One application and its ticket."""

    def __init__(self, client: FlaskClient, **facts: Any) -> None:
        self.client = client
        self.application_id = str(new_id())
        self.ticket = {
            "application_id": self.application_id, "secret": secrets.token_urlsafe(32),
        }
        text = client.get(f"{API}/commitment-text").get_json()
        self.facts = {
            "credit_code": made_up_credit_code(), "name": "婺州影城", "category": "culture",
            "shops": [{
                "name": "江北店", "address": "解放路 1 号", "latitude_e6": 29_100_000,
                "longitude_e6": 119_650_000,
            }],
            "benefit_codes": ["cinema"], "text_version": text["version"],
            "text_hash": text["text_hash"], **CONTACT, **facts,
        }  # fmt: skip

    def body(self, **changes: Any) -> dict[str, Any]:
        return {**self.ticket, **self.facts, **changes}

    def apply(self, **changes: Any) -> TestResponse:
        return self.post("/merchant-applications", self.body(**changes))

    def status(self) -> dict[str, Any]:
        answer = self.post("/merchant-applications/status", self.ticket)
        assert answer.status_code == 200, answer.get_json()
        found: dict[str, Any] = answer.get_json()
        return found

    def decide(self, act: str, operator: Mapping[str, str]) -> TestResponse:
        """proposal, confirmation, refusal or contact."""
        path = f"/merchant-applications/{self.application_id}/{act}"
        return self.post(path, REASON, operator)

    def approved_by(self, first: Mapping[str, str], second: Mapping[str, str]) -> str:
        """The merchant that two operators made of it."""
        assert self.apply().status_code == 201
        assert self.decide("proposal", first).status_code == 200
        confirmed = self.decide("confirmation", second)
        assert confirmed.status_code == 200, confirmed.get_json()
        return str(confirmed.get_json()["merchant_id"])

    def owner_code(self) -> str:
        answer = self.post("/merchant-applications/owner-invitation", self.ticket)
        assert answer.status_code == 201, answer.get_json()
        return str(answer.get_json()["code"])

    def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        return self.client.post(f"{API}{path}", json=body, headers=headers)

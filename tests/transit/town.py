"""A bus company and riders, quickly: what they do goes through HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.benefits.operations import let_merchant_take
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members.sources import create_source_account, sign_in_source
from app.transit.operators import Terms, register_operator
from tests.members.api import let_show_tokens
from tests.redemptions.builders import (
    API,
    Citizen,
    keys_of,
    make_citizen,
    make_merchant,
    publish_benefit,
    staff_tokens,
)

FARES = {
    "baseline": {"price_percent": 100}, "A": {"price_percent": 100},
    "AA": {"price_percent": 80}, "AAA": {"price_percent": 50},
}
TERMS = Terms(trips_per_day=4, subsidy_per_day_fen=300, complete_within_days=5)


@dataclass(frozen=True)
class Company:
    """A transit operator and its machine."""

    app: Flask
    merchant_id: UUID
    source_id: UUID
    benefit_code: str
    headers: Mapping[str, str]

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def ask(self, **who: Any) -> TestResponse:
        """What somebody rides for."""
        return self.post("/transit/entitlement", {name: str(one) for name, one in who.items()})

    def post(self, path: str, body: Mapping[str, Any]) -> TestResponse:
        return self.client.post(f"{API}{path}", json=body, headers=self.headers)

    def get(self, path: str) -> TestResponse:
        return self.client.get(f"{API}{path}", headers=self.headers)

    def account_of(self, rider: Citizen) -> UUID:
        """The rider's account, opened if there is none."""
        answer = self.opened_by(rider)
        assert answer.status_code == 200, answer.text
        return UUID(answer.get_json()["account_id"])

    def opened_by(self, rider: Citizen) -> TestResponse:
        body = {"merchant_id": str(self.merchant_id)}
        return self.client.post(
            f"{API}/me/transit/accounts", json=body, headers=rider.headers
        )


def publish_fares(app: Flask, **facts: Any) -> str:
    """The benefit: AA rides for 80 per cent, AAA for 50."""
    facts = {"kind": "entitlement", "consent_purpose": "transit", "values": FARES, **facts}
    return publish_benefit(app, **facts)


def make_company(app: Flask, *, terms: Terms = TERMS, **facts: Any) -> Company:
    """A company that takes the benefit with these facts."""
    with app.app_context():
        merchant_id = make_merchant(app)
        code = publish_fares(app, **facts)
        let_merchant_take(benefit_code=code, merchant_id=merchant_id)
        made = register_operator(
            keys=keys_of(app), merchant_id=merchant_id, benefit_code=code, terms=terms
        )
        let_show_tokens(made.source_id)
        opened = sign_in_source(
            keys=keys_of(app), credential_id=made.credential_id, secret=made.secret
        )
        return Company(app, merchant_id, made.source_id, code, staff_tokens(opened))


def make_rider(app: Flask, tier: str | None = "AA") -> Citizen:
    """A member of this tier with the consent."""
    return make_citizen(app, tier=tier, consents=("transit", "transit_location"))


def withdraw(app: Flask, rider: Citizen, purpose: str = "transit") -> None:
    """By the clock: a test's own transaction has begun before the consent was given."""
    scalar(
        app, "INSERT INTO consents (citizen_id, consent_id, purpose, text_version, text_hash,"
        " decision, channel, decided_at) SELECT citizen_id, :consent, purpose, text_version,"
        " text_hash, 'withdrawn', channel, clock_timestamp() FROM consents"
        " WHERE citizen_id = :rider AND purpose = :purpose RETURNING 1",
        consent=new_id(), rider=rider.citizen_id, purpose=purpose,
    )  # fmt: skip


def scalar(app: Flask, query: str, **values: Any) -> Any:
    """One value, behind the scenes."""
    with app.app_context(), transaction() as session:
        return session.execute(text(query), values).scalar_one()


def stranger_source(app: Flask) -> Mapping[str, str]:
    """The machine of a department."""
    with app.app_context():
        with transaction():
            made = create_source_account(keys=keys_of(app), name=f"单位 {new_id()}")
        let_show_tokens(made.source_id)
        opened = sign_in_source(
            keys=keys_of(app), credential_id=made.credential_id, secret=made.secret
        )
        return staff_tokens(opened)

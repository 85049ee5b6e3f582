"""A citizen, a clerk, a merchant, a benefit, quickly: each call is a transaction of its own.

Everything works in an application context; the actors speak HTTP through the client they are given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.benefits import operations as benefits
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.ledger import operations as ledger
from app.members import operations as members
from app.members.sessions import OpenedSession, open_citizen_session, open_staff_session
from app.merchants import operations as merchants
from app.merchants.credit_codes import check_character
from app.web.auth import Role, issue_tokens
from tests.members.people import made_up_member
from tests.trail.assessed import assess_sharing

API = "/api/v1"
TIER_TOTALS = {"A": 560, "AA": 660, "AAA": 760}
LIBRARY_VALUES = {
    "baseline": {"books": 15, "deposit_waived": False},
    "A": {"books": 15, "deposit_waived": False},
    "AA": {"books": 20, "deposit_waived": False},
    "AAA": {"books": 25, "deposit_waived": True},
}
TICKET_VALUES = {name: {"tickets": 1} for name in ("baseline", "A", "AA", "AAA")}
_serial = itertools.count(1)


@dataclass(frozen=True)
class Citizen:
    """A member who is signed in."""

    citizen_id: UUID
    session_id: UUID
    headers: Mapping[str, str]

    def claim(
        self, client: FlaskClient, benefit_code: str, voucher_id: UUID | None = None
    ) -> TestResponse:
        body = {"voucher_id": str(voucher_id or new_id()), "benefit_code": benefit_code}
        return client.post(f"{API}/me/vouchers", json=body, headers=self.headers)

    def claimed(self, client: FlaskClient, benefit_code: str) -> UUID:
        """The id of a voucher that was claimed."""
        response = self.claim(client, benefit_code)
        assert response.status_code == 200, response.get_json()
        return UUID(response.get_json()["voucher_id"])

    def pass_code(self, client: FlaskClient) -> str:
        response = client.post(f"{API}/me/pass-code", headers=self.headers)
        assert response.status_code == 200, response.get_json()
        return str(response.get_json()["code"])

    def voucher_code(self, client: FlaskClient, voucher_id: UUID) -> str:
        response = client.get(f"{API}/me/vouchers/{voucher_id}/code", headers=self.headers)
        assert response.status_code == 200, response.get_json()
        return str(response.get_json()["code"])

    def manual_code(self, client: FlaskClient, voucher_id: UUID) -> str:
        path = f"{API}/me/vouchers/{voucher_id}/manual-code"
        response = client.post(path, headers=self.headers)
        assert response.status_code == 200, response.get_json()
        return str(response.get_json()["code"])

    def give_back(self, client: FlaskClient, voucher_id: UUID) -> TestResponse:
        return client.post(f"{API}/me/vouchers/{voucher_id}/give-back", headers=self.headers)


@dataclass(frozen=True)
class Clerk:
    """A clerk who is signed in and works in a shop."""

    staff_id: UUID
    session_id: UUID
    merchant_id: UUID
    shop_id: UUID
    headers: Mapping[str, str]

    def preview(self, client: FlaskClient, **presented: Any) -> TestResponse:
        body = {"shop_id": str(self.shop_id), **presented}
        return client.post(f"{API}/redemptions/preview", json=body, headers=self.headers)

    def redeem(
        self, client: FlaskClient, redemption_id: UUID | None = None, **presented: Any
    ) -> TestResponse:
        body = {
            "redemption_id": str(redemption_id or new_id()), "shop_id": str(self.shop_id),
            **presented,
        }
        return client.post(f"{API}/redemptions", json=body, headers=self.headers)

    def annul(
        self, client: FlaskClient, receipt: str, annulment_id: UUID | None = None
    ) -> TestResponse:
        body = {
            "annulment_id": str(annulment_id or new_id()), "shop_id": str(self.shop_id),
            "receipt": receipt,
        }
        return client.post(f"{API}/redemptions/annulments", json=body, headers=self.headers)

    def today(self, client: FlaskClient, **page: Any) -> list[dict[str, Any]]:
        response = client.get(
            f"{API}/redemptions", query_string={"shop_id": str(self.shop_id), **page},
            headers=self.headers,
        )
        assert response.status_code == 200, response.get_json()
        found: list[dict[str, Any]] = response.get_json()["redemptions"]
        return found


def keys_of(app: Flask) -> KeyProvider:
    keys: KeyProvider = app.extensions["card_keys"]
    return keys


def make_citizen(
    app: Flask, *, points: int = 0, tier: str | None = None, consents: tuple[str, ...] = ()
) -> Citizen:
    """A member with points in one lot, a tier, and consents beyond membership."""
    person = made_up_member()
    with app.app_context():
        with transaction() as session:
            citizen_id = members.register_member(keys=keys_of(app), **vars(person))
            opened = open_citizen_session(session, citizen_id=citizen_id)
        if points:
            grant_points(app, citizen_id, points)
        if tier is not None:
            set_tier(app, citizen_id, tier)
        for purpose in consents:
            give_consent(app, citizen_id, purpose)
        return Citizen(citizen_id, opened.session_id, _headers(opened))


def make_clerk(
    app: Flask, *, takes: tuple[str, ...] = (), merchant_id: UUID | None = None
) -> Clerk:
    """A clerk in a shop of a new merchant (or the given one) that takes these benefits."""
    with app.app_context():
        merchant = merchant_id or make_merchant(app)
        name = f"门店{next(_serial)}"
        shop = merchants.open_shop(shop_id=new_id(), merchant_id=merchant, name=name)
        staff_id, opened = make_staff(app, Role.CLERK)
        merchants.assign_staff(
            staff_id=staff_id, merchant_id=merchant, shop_id=shop.shop_id, role="clerk"
        )
        for code in takes:
            benefits.let_merchant_take(benefit_code=code, merchant_id=merchant)
        return Clerk(staff_id, opened.session_id, merchant, shop.shop_id, _headers(opened))


def make_merchant(app: Flask) -> UUID:
    """A merchant with a made-up credit code."""
    with app.app_context():
        return merchants.register_merchant(
            merchant_id=new_id(), credit_code=made_up_credit_code(), name=f"商户{next(_serial)}"
        ).merchant_id


def make_staff(app: Flask, role: Role) -> tuple[UUID, OpenedSession]:
    """A staff account with a live session and no password."""
    staff_id = new_id()
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO staff_accounts (staff_id, username, role, display_name)"
                " VALUES (:staff_id, :username, :role, '窗口')"
            ),
            {"staff_id": staff_id, "username": f"staff-{staff_id}", "role": role.value},
        )
        return staff_id, open_staff_session(session, staff_id=staff_id, role=role.value)


def staff_headers(app: Flask, role: Role) -> Mapping[str, str]:
    """What a new staff member of this role sends with each request."""
    with app.app_context():
        return _headers(make_staff(app, role)[1])


def made_up_credit_code() -> str:
    """A well-formed unified social credit code."""
    first = f"91330702MA{next(_serial):07d}"
    return first + check_character(first)


def grant_points(app: Flask, citizen_id: UUID, points: int, days: int = 300) -> UUID:
    """One lot of points; the transfer's id."""
    transfer_id = new_id()
    with app.app_context(), transaction():
        ledger.grant(
            citizen_id=citizen_id, transfer_id=transfer_id, amount_points=points,
            expires_on=date.today() + timedelta(days=days),  # noqa: DTZ011 -- far away
            reason="volunteer_hours",
        ).require_accepted()
    return transfer_id


def set_tier(app: Flask, citizen_id: UUID, tier: str) -> None:
    """A stored score with this tier."""
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO scores (citizen_id, total, tier, dimensions, scheme_code,"
                " scheme_version, as_of_on) VALUES (:citizen, :total, :tier, '{}', 'made-up',"
                " '1', current_date) ON CONFLICT (citizen_id)"
                " DO UPDATE SET total = excluded.total, tier = excluded.tier"
            ),
            {"citizen": citizen_id, "total": TIER_TOTALS[tier], "tier": tier},
        )


def give_honour(app: Flask, citizen_id: UUID, item: str | None, **days: date) -> None:
    """A record of an honour of this item, taken an hour ago; it counts unless `days` say not."""
    facts = {
        "event_on": date(2026, 1, 5), "delivered_on": date(2026, 1, 6), "ends_on": None,
        "replaced_on": None, **days,
    }  # fmt: skip
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO records (citizen_id, record_type, record_number, version, is_void,"
                " event_on, ends_on, item, measures, content_digest, delivery_id, row_number,"
                " delivered_on, replaced_on, created_at) VALUES (:citizen, 'honours',"
                " 'RY-' || :id, 1, false, :event_on, :ends_on, :item, '{}', '', :id, 1,"
                " :delivered_on, :replaced_on, now() - interval '1 hour')"
            ),
            {"citizen": citizen_id, "id": new_id(), "item": item, **facts},
        )


def give_consent(app: Flask, citizen_id: UUID, purpose: str) -> None:
    """A consent to the first text of this purpose."""
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO consents (citizen_id, consent_id, purpose, text_version, text_hash,"
                " decision, channel, decided_at) SELECT :citizen, :consent, purpose, version,"
                " text_hash, 'given', 'counter', clock_timestamp() FROM consent_texts"
                " WHERE purpose = :purpose AND version = 1"
            ),
            {"citizen": citizen_id, "consent": new_id(), "purpose": purpose},
        )


def benefit_toml(
    code: str, *, values: Mapping[str, Mapping[str, Any]] | None = None, **facts: Any
) -> str:
    """A catalogue file with one benefit; `facts` replace or add lines, None leaves one out."""
    lines: dict[str, Any] = {
        "code": code, "version": 1, "name": f"权益 {code}", "kind": "ticket",
        "valid_from": date(2026, 1, 1), "merchants": "listed", "voucher_life_seconds": 86_400,
        **facts,
    }
    if lines.get("offline_allowed") and "subsidy" not in lines:
        lines.setdefault("offline_worth_fen", 200)
    values = values or TICKET_VALUES
    body = [f"{key} = {_toml(value)}" for key, value in lines.items() if value is not None]
    tiers = [name for name in values if name != "baseline"]
    body += ["[benefit.baseline]", *_table(values["baseline"])]
    for tier in tiers:
        body += [f"[benefit.tiers.{tier}]", *_table(values[tier])]
    return "\n".join([f"tiers = {_toml(tiers)}", "[[benefit]]", *body])


def publish_benefit(app: Flask, *, code: str | None = None, **facts: Any) -> str:
    """Publish a benefit (a free ticket unless told otherwise), assessed; its code."""
    code = code or f"benefit_{next(_serial)}"
    with app.app_context():
        if "consent_purpose" in facts:
            assess_sharing(facts["consent_purpose"])
        benefits.load_catalogue(benefit_toml(code, **facts))
    return code


def publish_library(app: Flask, **facts: Any) -> str:
    """The library's benefit; its tiers are told to those who consent to `library`."""
    facts = {"kind": "entitlement", "consent_purpose": "library", **facts}
    return publish_benefit(app, values=LIBRARY_VALUES, **facts)


def staff_tokens(opened: OpenedSession) -> Mapping[str, str]:
    """What the session sends with each request."""
    return _headers(opened)


def _headers(opened: OpenedSession) -> Mapping[str, str]:
    tokens = issue_tokens(
        role=Role(opened.role), subject_id=opened.subject_id, session_id=opened.session_id,
        refresh_id=opened.refresh_id, refresh_life=opened.life,
    )
    return {"Authorization": f"Bearer {tokens.access_token}"}


def _table(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)

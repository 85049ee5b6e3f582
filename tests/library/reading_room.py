"""A library with its desk, its owner and its readers, quickly: the acts go through HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.benefits import operations as benefits
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.merchants import operations as merchants
from app.web.auth import Role
from tests.redemptions.builders import (
    API,
    LIBRARY_VALUES,
    Citizen,
    Clerk,
    benefit_toml,
    make_clerk,
    make_staff,
    staff_tokens,
)
from tests.trail.assessed import assess_sharing

READER = "LIB-0001"
CHILDRENS_VALUES = {
    tier: {"childrens_books_deposit_free": 40 if tier in {"AA", "AAA"} else 0}
    for tier in LIBRARY_VALUES
}


@dataclass(frozen=True)
class Library:
    """A library's desk and its owner."""

    client: FlaskClient
    clerk: Clerk
    owner: Mapping[str, str]

    def at_desk(self, path: str, clerk: Clerk | None = None, **body: Any) -> TestResponse:
        who = clerk or self.clerk
        return self.client.post(
            f"{API}/library/{path}", json={"shop_id": str(who.shop_id), **body},
            headers=who.headers,
        )

    def ask(self, holder: Citizen, clerk: Clerk | None = None) -> TestResponse:
        return self.at_desk("standing", clerk, code=holder.pass_code(self.client))

    def asked(self, holder: Citizen, clerk: Clerk | None = None) -> dict[str, Any]:
        """What the desk learns."""
        return done(self.ask(holder, clerk))

    def register(self, reference: str, clerk: Clerk | None = None, **changes: Any) -> TestResponse:
        body = {
            "waiver_id": str(new_id()), "reference": reference, "kind": "reader",
            "reader_reference": READER, **changes,
        }
        return self.at_desk("waivers", clerk, **body)

    def registered(self, holder: Citizen, **changes: Any) -> dict[str, Any]:
        """A waiver that stands."""
        return done(self.register(self.asked(holder)["reference"], **changes), 201)

    def standing(self) -> list[dict[str, Any]]:
        """The library's own list."""
        answer = self.client.get(
            f"{API}/library/waivers", query_string={"shop_id": str(self.clerk.shop_id)},
            headers=self.clerk.headers,
        )
        found: list[dict[str, Any]] = done(answer)["waivers"]
        return found

    def make_machine(self, **changes: Any) -> dict[str, Any]:
        """A machine's id and password."""
        body = {
            "machine_id": str(new_id()), "shop_id": str(self.clerk.shop_id), "name": "自助机1号",
            **changes,
        }
        answer = self.client.post(f"{API}/library/machines", json=body, headers=self.owner)
        return done(answer, 201)

    def suspend(self, machine_id: str, *, suspended: bool = True) -> None:
        path = f"{API}/library/machines/{machine_id}/suspension"
        done(self.client.post(path, json={"suspended": suspended}, headers=self.owner))


def publish_figures(app: Flask) -> None:
    """The benefits of libraries, once a database: books, and children's books, by tier."""
    facts: dict[str, Any] = {"kind": "entitlement", "consent_purpose": "library"}
    with app.app_context():
        assess_sharing("library")
        benefits.load_catalogue(benefit_toml("reading", values=LIBRARY_VALUES, **facts))
        benefits.load_catalogue(
            benefit_toml("childrens_books", values=CHILDRENS_VALUES, **facts)
        )


def open_library(app: Flask, client: FlaskClient) -> Library:
    """A library that takes both benefits; `publish_figures` comes before."""
    clerk = make_clerk(app, takes=("reading", "childrens_books"))
    with app.app_context():
        owner_id, opened = make_staff(app, Role.MERCHANT_OWNER)
        merchants.assign_staff(
            staff_id=owner_id, merchant_id=clerk.merchant_id, role="merchant_owner"
        )
        return Library(client, clerk, staff_tokens(opened))


def leave(app: Flask, citizen_id: UUID) -> None:
    """The holder is no member any more."""
    with app.app_context(), transaction() as session:
        session.execute(
            text("UPDATE citizens SET status = 'left' WHERE citizen_id = :id"), {"id": citizen_id}
        )


def withdraw_consent(app: Flask, citizen_id: UUID) -> None:
    """The consent to tell libraries is taken back."""
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO consents (citizen_id, consent_id, purpose, text_version, text_hash,"
                " decision, channel, decided_at) SELECT citizen_id, :new, purpose, text_version,"
                " text_hash, 'withdrawn', channel, clock_timestamp() FROM consents"
                " WHERE citizen_id = :id AND purpose = 'library'"
            ),
            {"id": citizen_id, "new": new_id()},
        )


def done(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def refusal(answer: TestResponse) -> str:
    assert answer.status_code >= 400, answer.get_json()
    return str(answer.get_json()["code"])

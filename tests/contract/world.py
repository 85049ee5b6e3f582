"""Somebody signed in for every role, and an object of every kind, twice: ours and another's.

Everything is committed for real; `build_world` takes a second or two, so modules share one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import db, transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.members.sessions import OpenedSession, open_citizen_session, open_staff_session
from app.merchants import operations as merchants
from app.records.operations import DeliveryRequest, register_source
from app.records.reading import Encoding
from app.records.uploads import Upload
from app.records.working import work_off
from app.scoring.operations import delivery_worker, receive_delivery
from app.web import limits
from app.web.auth import Role, TokenPair, issue_tokens
from demo.load import prepare_programme
from demo.servers import Database
from integrity_card_scanner.envelope import SigningKey
from tests.conftest import truncate_all
from tests.members.api import let_show_tokens
from tests.members.people import made_up_member
from tests.records.programme import HOURS, csv_file
from tests.redemptions.builders import (
    API,
    give_consent,
    grant_points,
    keys_of,
    make_merchant,
    make_staff,
    publish_benefit,
    publish_library,
    set_tier,
)
from tests.redemptions.offline_town import enrol, publish_keys

POINTS = 100_000


@dataclass(frozen=True)
class SignedIn:
    """A caller with both tokens."""

    role: Role
    subject_id: UUID
    session_id: UUID
    tokens: TokenPair
    credential: members.NewCredential | None = None  # of a source

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.access_token}"}

    @property
    def refresh_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.refresh_token}"}


@dataclass(frozen=True)
class Party:
    """One caller per role, and what is theirs."""

    person: members.NewMember
    callers: Mapping[Role, SignedIn]
    voucher_id: UUID
    redemption_id: UUID
    receipt: str
    delivery_id: UUID
    merchant_id: UUID
    shop_id: UUID
    device_id: UUID
    device_key: SigningKey

    @property
    def citizen(self) -> SignedIn:
        return self.callers[Role.CITIZEN]

    @property
    def clerk(self) -> SignedIn:
        return self.callers[Role.CLERK]


@dataclass(frozen=True)
class World:
    """Two parties that have nothing to do with each other, and what both may take."""

    app: Flask
    client: FlaskClient
    ours: Party
    theirs: Party
    benefit_code: str
    library_code: str

    def wait_in_line(self) -> UUID:
        """A delivery of ours that no worker has taken."""
        source_id = self.ours.callers[Role.SOURCE].subject_id
        with self.app.app_context():
            return _deliver(self.app, source_id, at_once_max_bytes=0)

    def work_off_line(self) -> None:
        """Take the deliveries that wait, as the worker does."""
        with self.app.app_context():
            for _ in work_off(worker=delivery_worker(keys=keys_of(self.app))):
                pass


@contextmanager
def inhabited(app: Flask, made: Database) -> Iterator[World]:
    """A world on the worker's database, which is empty again afterwards."""
    limits.forget_all()
    try:
        with app.app_context():
            world = build_world(app)
        yield world
    finally:
        with app.app_context():
            db.session.remove()
        truncate_all(made)
        limits.forget_all()


def build_world(app: Flask) -> World:
    client = app.test_client()
    prepare_programme()
    benefit_code = publish_benefit(app, price_points=10)
    library_code = publish_library(app, offline_allowed=True)
    publish_keys(app)
    ours, theirs = (_make_party(app, client, benefit_code) for _ in range(2))
    return World(app, client, ours, theirs, benefit_code, library_code)


def signed_in(
    opened: OpenedSession, credential: members.NewCredential | None = None
) -> SignedIn:
    """The tokens of a session that was just opened."""
    tokens = issue_tokens(
        role=Role(opened.role), subject_id=opened.subject_id, session_id=opened.session_id,
        refresh_id=opened.refresh_id, refresh_life=opened.life,
    )
    return SignedIn(Role(opened.role), opened.subject_id, opened.session_id, tokens, credential)


def sign_in_again(app: Flask, who: SignedIn) -> SignedIn:
    """Another session of the same caller."""
    with app.app_context():
        if who.credential is not None:
            return _sign_in_source(app, who.credential)
        with transaction() as session:
            if who.role is Role.CITIZEN:
                opened = open_citizen_session(session, citizen_id=who.subject_id)
            else:
                opened = open_staff_session(
                    session, staff_id=who.subject_id, role=who.role.value
                )
        return signed_in(opened)


def with_new_tokens(world: World) -> World:
    """The same sessions with tokens that begin to age now."""
    with world.app.app_context():
        return replace(world, ours=_renewed(world.ours), theirs=_renewed(world.theirs))


def _renewed(party: Party) -> Party:
    def again(who: SignedIn) -> SignedIn:
        tokens = issue_tokens(
            role=who.role, subject_id=who.subject_id, session_id=who.session_id,
            refresh_id=who.tokens.refresh_id, refresh_life=timedelta(hours=1),
        )
        return replace(who, tokens=tokens)

    return replace(party, callers={role: again(who) for role, who in party.callers.items()})


def _make_party(app: Flask, client: FlaskClient, benefit_code: str) -> Party:
    merchant_id = make_merchant(app)
    shop = merchants.open_shop(shop_id=new_id(), merchant_id=merchant_id, name="门店")
    person = made_up_member()
    callers = {Role.CITIZEN: _make_citizen(app, person), Role.SOURCE: _make_source(app)}
    for role in (Role.CLERK, Role.MERCHANT_OWNER, Role.OPERATOR):
        staff_id, opened = make_staff(app, role)
        callers[role] = signed_in(opened)
        if role is not Role.OPERATOR:
            merchants.assign_staff(
                staff_id=staff_id, merchant_id=merchant_id, role=role.value,
                shop_id=shop.shop_id if role is Role.CLERK else None,
            )
    operator = callers[Role.OPERATOR].headers
    taken = {"benefit_code": benefit_code, "merchant_id": str(merchant_id)}
    sent(client, "/benefit-merchants", taken, operator)
    redeemed = _redeem(client, callers, benefit_code, shop.shop_id)
    device_id, device_key = enrol(app, shop.shop_id, callers[Role.MERCHANT_OWNER].headers)
    return Party(
        person=person,
        callers=callers,
        voucher_id=claim(client, callers[Role.CITIZEN], benefit_code),
        redemption_id=UUID(redeemed["redemption_id"]),
        receipt=redeemed["receipt"],
        delivery_id=_deliver(app, callers[Role.SOURCE].subject_id),
        merchant_id=merchant_id,
        shop_id=shop.shop_id,
        device_id=device_id,
        device_key=device_key,
    )


def _make_citizen(app: Flask, person: members.NewMember) -> SignedIn:
    with transaction() as session:
        citizen_id = members.register_member(keys=keys_of(app), **vars(person))
        opened = open_citizen_session(session, citizen_id=citizen_id)
    grant_points(app, citizen_id, POINTS)
    set_tier(app, citizen_id, "AA")
    give_consent(app, citizen_id, "library")
    return signed_in(opened)


def new_citizen(app: Flask) -> SignedIn:
    """One more member, with points and a tier."""
    return _make_citizen(app, made_up_member())


def _make_source(app: Flask) -> SignedIn:
    source_id = new_id()
    unit = f"测试单位 {source_id}"
    credential = register_source(
        keys=keys_of(app), source_id=source_id, unit=unit, record_types=[HOURS, "honours"]
    )
    let_show_tokens(source_id)
    return _sign_in_source(app, credential)


def _sign_in_source(app: Flask, credential: members.NewCredential) -> SignedIn:
    opened = members.sign_in_source(
        keys=keys_of(app), credential_id=credential.credential_id, secret=credential.secret
    )
    return signed_in(opened, credential)


def _deliver(app: Flask, source_id: UUID, *, at_once_max_bytes: int = 1_000) -> UUID:
    """A file with one refused row."""
    delivery_id = new_id()
    request = DeliveryRequest(
        delivery_id=delivery_id, record_type=HOURS, delivered_on=date(2026, 6, 12),
        encoding=Encoding.UTF_8, file_name="file.csv", source_id=source_id,
    )
    receive_delivery(
        keys=keys_of(app), request=request,
        upload=Upload.of(keys_of(app), io.BytesIO(hours_file())),
        at_once_max_bytes=at_once_max_bytes,
    )
    return delivery_id


def hours_file() -> bytes:
    """A file of volunteer hours with one row that makes no sense."""
    return csv_file(HOURS, ["x"] * 7)


def claim(client: FlaskClient, citizen: SignedIn, benefit_code: str) -> UUID:
    """A voucher that can be redeemed."""
    voucher_id = new_id()
    body = {"voucher_id": str(voucher_id), "benefit_code": benefit_code}
    sent(client, "/me/vouchers", body, citizen.headers)
    return voucher_id


def _redeem(
    client: FlaskClient, callers: Mapping[Role, SignedIn], benefit_code: str, shop_id: UUID
) -> dict[str, Any]:
    citizen = callers[Role.CITIZEN]
    voucher_id = claim(client, citizen, benefit_code)
    shown = client.get(f"{API}/me/vouchers/{voucher_id}/code", headers=citizen.headers)
    body = {
        "redemption_id": str(new_id()), "shop_id": str(shop_id), "code": shown.get_json()["code"],
    }
    return sent(client, "/redemptions", body, callers[Role.CLERK].headers)


def sent(
    client: FlaskClient, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> dict[str, Any]:
    """The answer to a post that works."""
    answer = client.post(f"{API}{path}", json=body, headers=headers)
    assert answer.status_code < 300, (path, answer.text)
    found: dict[str, Any] = json.loads(answer.data or b"{}")
    return found

"""What the fault tests break: servers of their own, and a city with people, vouchers and clerks."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections, db
from app.kernel.ids import new_id
from app.ledger.queries import verify as verify_ledger
from app.members import operations as members
from app.redemptions.queries import verify as verify_redemptions
from app.redemptions.vouchers import claim_voucher, show_voucher_code
from app.web.auth import Role, issue_tokens
from demo.servers import Postgres
from tests.members.people import made_up_member
from tests.redemptions.builders import (
    Clerk,
    grant_points,
    keys_of,
    make_clerk,
    make_merchant,
    publish_benefit,
)
from wechat_integration.sandbox.control import SandboxControl

WAIT_SECONDS = 60
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Ticket:
    """A claimed voucher; within one citizen the price tells it from the others."""

    voucher_id: UUID
    price_points: int
    code: str


@dataclass(frozen=True)
class Holder:
    """A citizen with a WeChat account, signed in, and the vouchers claimed."""

    citizen_id: UUID
    openid: str
    access_token: str
    refresh_token: str
    tickets: list[Ticket]


@dataclass(frozen=True)
class City:
    """Who takes part; all clerks are of one merchant."""

    holders: list[Holder]
    clerks: list[Clerk]

    def tickets(self) -> list[Ticket]:
        """The vouchers of everybody."""
        return [ticket for holder in self.holders for ticket in holder.tickets]


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that a test may break; the one of the run serves the others."""
    directory = Path(tempfile.mkdtemp(prefix="card-faults-"))
    try:
        postgres = Postgres(directory=directory / "pg")
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def application(environment: Mapping[str, str], *, redis_url: str) -> Iterator[Flask]:
    """The application in this process, for what is set up and looked at.

    Rate limits are counted in one place per process: on the Redis of the run, as in other tests.
    """
    app = create_app(replace(Settings.from_environ(environment), redis_url=redis_url))
    try:
        yield app
    finally:
        with app.app_context():
            db.session.remove()
            close_connections()


def found_city(
    app: Flask,
    wechat: SandboxControl,
    *,
    holders: int,
    tickets: int,
    clerks: int,
    accepts: int | None = None,
    price_points: int | None = None,
) -> City:
    """People with vouchers, who let WeChat tell them of each; the prices are 1, 2, 3, …

    `accepts` is another number of messages that each of them lets WeChat send, `price_points` one
    price for all.
    """
    prices = [price_points if price_points is not None else at + 1 for at in range(tickets)]
    benefits = [publish_benefit(app, price_points=price) for price in prices]
    merchant_id = make_merchant(app)
    staff = [
        make_clerk(app, takes=tuple(benefits) if at == 0 else (), merchant_id=merchant_id)
        for at in range(clerks)
    ]
    people = []
    for _ in range(holders):
        holder = make_holder(app, wechat, accepts=tickets if accepts is None else accepts)
        if sum(prices):
            grant_points(app, holder.citizen_id, sum(prices))
        for benefit, price in zip(benefits, prices, strict=True):
            holder.tickets.append(claim_ticket(app, holder.citizen_id, benefit, price))
        people.append(holder)
    return City(people, staff)


def make_holder(app: Flask, wechat: SandboxControl, *, accepts: int) -> Holder:
    """A member bound to a WeChat account, who accepts that many messages."""
    person, openid = made_up_member(), f"o{new_id().hex}"
    template_id = app.extensions["card_settings"].wechat_redeemed_template_id
    with app.app_context():
        consents = [members.GivenConsent(purpose="membership", text_version=1)]
        opened = members.join(
            keys=keys_of(app),
            request=members.check_join(
                name=person.name, id_number=person.id_number, consents=consents
            ),
            openid=openid,
            phone=person.phone or "",
        )
        tokens = issue_tokens(
            role=Role(opened.role), subject_id=opened.subject_id, session_id=opened.session_id,
            refresh_id=opened.refresh_id, refresh_life=opened.life,
        )
    wechat.grant_accepts(openid=openid, template_id=template_id, count=accepts)
    return Holder(opened.subject_id, openid, tokens.access_token, tokens.refresh_token, [])


def claim_ticket(app: Flask, citizen_id: UUID, benefit: str, price_points: int) -> Ticket:
    """A voucher and the code that its holder shows."""
    voucher_id = new_id()
    with app.app_context():
        claim_voucher(citizen_id=citizen_id, voucher_id=voucher_id, benefit_code=benefit)
        code = show_voucher_code(keys=keys_of(app), citizen_id=citizen_id, voucher_id=voucher_id)
    return Ticket(voucher_id, price_points, code)


def redeem_body(clerk: Clerk, code: str, redemption_id: UUID | None = None) -> bytes:
    """The body of a redeem call."""
    return json.dumps({
        "redemption_id": str(redemption_id or new_id()), "shop_id": str(clerk.shop_id),
        "code": code,
    }).encode()


def findings(app: Flask) -> list[str]:
    """What the ledger's and the redemptions' own proofs find wrong."""
    with app.app_context():
        close_connections()  # the server may have been another one when these were opened
        return [str(one) for one in (*verify_ledger(), *verify_redemptions())]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> float:
    """Look again and again until it is so; the seconds it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"waited too long: {what}"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - started


def nothing_waits(admin: psycopg.Connection[Any]) -> bool:
    """Whether the outbox is empty and every message was delivered or given up."""
    row = admin.execute("""
        SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM procrastinate_jobs
            WHERE status IN ('todo', 'doing') AND task_name = 'deliver')
    """).fetchone()
    return row == (0,)


def counted(admin: psycopg.Connection[Any], query: str) -> int:
    """The number that a query gives."""
    row = admin.execute(query).fetchone()
    assert row is not None
    return int(row[0])

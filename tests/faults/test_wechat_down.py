"""WeChat refuses, hangs or talks nonsense: who is signed in goes on, and messages wait for it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from flask import Flask

from demo.servers import Database
from demo.supervise import Stack, running_stack
from tests.conftest import Sized, fresh_database
from tests.faults.city import (
    City,
    Holder,
    application,
    counted,
    findings,
    found_city,
    nothing_waits,
    redeem_body,
    wait_until,
)
from tests.members.api import bearer
from wechat_integration.sandbox.control import FaultKind, SandboxControl

pytestmark = pytest.mark.timeout(3600)  # for the full size

TICKETS = 20
TRIED_AT_LEAST = 60
ANSWER_SECONDS_MAX = 3
SERVICE = {
    "CARD_JOB_POLL_MS": "50",
    "CARD_JOB_RETRY_SECONDS": "1",  # tries after 1, 6, 36 and 216 more seconds
}


@dataclass(frozen=True)
class Place:
    """A service, the WeChat it knows, and the application behind it."""

    stack: Stack
    client: httpx.Client
    wechat: SandboxControl
    app: Flask
    admin: psycopg.Connection[Any]

    def city(self, *, holders: int, tickets: int) -> City:
        return found_city(self.app, self.wechat, holders=holders, tickets=tickets, clerks=20)

    def redeem_all(self, city: City) -> Counter[int]:
        """Everybody shows every voucher; the statuses of the answers."""
        pairs = zip(itertools.cycle(city.clerks), city.tickets(), strict=False)

        def redeem(pair: Any) -> int:
            clerk, ticket = pair
            headers = {**clerk.headers, "Content-Type": "application/json"}
            body = redeem_body(clerk, ticket.code)
            return self.client.post(
                "/api/v1/redemptions", content=body, headers=headers
            ).status_code

        with ThreadPoolExecutor(8) as pool:
            return Counter(pool.map(redeem, pairs))

    def begun(self) -> int:
        """The number of messages for which a first try was made."""
        return counted(self.admin, "SELECT count(*) FROM wechat_messages")

    def inbox(self, city: City) -> Counter[tuple[str, str]]:
        """What the city's people were sent, by receiver and price."""
        people = {holder.openid for holder in city.holders}
        return Counter(
            (one.openid, one.data["number4"])
            for one in self.wechat.sent_messages() if one.openid in people
        )


@pytest.fixture
def place(
    tmp_path: Path, servers: dict[str, Any], test_database: Database, redis_url: str
) -> Iterator[Place]:
    with ExitStack() as opened:
        database = opened.enter_context(
            fresh_database(servers, f"{test_database.name}_faults", template=servers["template"])
        )
        stack = opened.enter_context(
            running_stack(directory=tmp_path, database=database, redis_url=redis_url, extra=SERVICE)
        )
        yield Place(
            stack,
            opened.enter_context(
                httpx.Client(base_url=stack.base_url, timeout=15, trust_env=False)
            ),
            opened.enter_context(SandboxControl(base_url=stack.sandbox_url)),
            opened.enter_context(application(stack.environment, redis_url=redis_url)),
            opened.enter_context(psycopg.connect(database.admin_url, autocommit=True)),
        )


def each_once(city: City) -> Counter[tuple[str, str]]:
    return Counter(
        (holder.openid, str(ticket.price_points))
        for holder in city.holders for ticket in holder.tickets
    )


def test_messages_wait_and_each_is_sent_once(place: Place, sized: Sized) -> None:
    people = sized(ci=3, full=500)
    city = place.city(holders=people, tickets=TICKETS)
    place.wechat.add_fault(kind=FaultKind.DOWN)
    assert place.redeem_all(city) == {200: people * TICKETS}
    wait_until(lambda: place.begun() >= TRIED_AT_LEAST, "first tries")
    assert place.inbox(city) == {}
    assert not nothing_waits(place.admin)

    place.wechat.clear_faults()
    wait_until(lambda: nothing_waits(place.admin), "the messages", 900)
    assert place.inbox(city) == each_once(city)
    states = place.admin.execute("SELECT DISTINCT state FROM wechat_messages").fetchall()
    assert states == [("sent",)]
    assert counted(place.admin, "SELECT count(*) FROM wechat_messages") == people * TICKETS
    assert findings(place.app) == []


def test_who_is_signed_in_goes_on_and_others_are_told(place: Place) -> None:
    kinds = (FaultKind.DOWN, FaultKind.HANG, FaultKind.GARBAGE)
    for number, kind in enumerate(kinds, start=1):
        # One voucher each: a message that arrived though its answer was lost uses up the accept.
        city = place.city(holders=4, tickets=1)
        code = place.wechat.issue_login_code(openid="o-new")
        place.wechat.add_fault(kind=kind, seconds=30)
        new_sign_ins_are_told_to_come_back(place.client, code)
        assert place.redeem_all(city) == {200: 4}
        for holder in city.holders:
            who_is_signed_in_goes_on(place.client, holder)
        wait_until(lambda tried=4 * number: place.begun() == tried, "first tries")  # type: ignore[misc]
        assert place.client.get("/readyz").status_code == 200

        place.wechat.clear_faults()
        wait_until(lambda: nothing_waits(place.admin), "the messages", 120)
        assert place.inbox(city) == each_once(city)


def new_sign_ins_are_told_to_come_back(client: httpx.Client, code: str) -> None:
    started = time.monotonic()
    answer = client.post("/api/v1/sign-in/wechat", json={"code": code})
    assert time.monotonic() - started <= ANSWER_SECONDS_MAX
    assert (answer.status_code, answer.json()["code"]) == (503, "wechat_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def who_is_signed_in_goes_on(client: httpx.Client, holder: Holder) -> None:
    me = bearer(holder.access_token)
    assert client.post("/api/v1/me/pass-code", headers=me).status_code == 200
    renewed = bearer(holder.refresh_token)
    assert client.post("/api/v1/tokens/refresh", headers=renewed).status_code == 200

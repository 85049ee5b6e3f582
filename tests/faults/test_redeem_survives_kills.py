"""L1: whatever is killed in the middle of redeeming, every voucher is redeemed once, every answer
comes in the end, and the same call always gets the same answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from demo.servers import Postgres
from demo.supervise import Stack, running_stack
from tests.conftest import Sized
from tests.faults.city import (
    City,
    application,
    counted,
    findings,
    found_city,
    nothing_waits,
    own_postgres,
    wait_until,
)
from tests.faults.storm import Killer, Storm, prepare_storm
from tests.races.test_redemptions_redeem import REDEEM, without_lock, without_the_keys
from tests.races.threads import changed_function
from wechat_integration.sandbox.control import SandboxControl

pytestmark = pytest.mark.timeout(3600)  # for the full size

JOBS_AT_ONCE = 4
SERVICE = {
    "CARD_WEB_WORKERS": "2",
    "CARD_WEB_THREADS": "4",
    "CARD_JOB_CONCURRENCY": str(JOBS_AT_ONCE),
    "CARD_JOB_POLL_MS": "50",
    "CARD_JOB_STALL_SECONDS": "2",
    "CARD_JOB_RETRY_SECONDS": "1",
}


@dataclass(frozen=True)
class Ground:
    """A service that may be killed, and the application that looks at its database."""

    stack: Stack
    postgres: Postgres
    app: Flask
    wechat: SandboxControl


@contextmanager
def ground(directory: Path, redis_url: str) -> Iterator[Ground]:
    with ExitStack() as opened:
        postgres = opened.enter_context(own_postgres())
        stack = opened.enter_context(
            running_stack(
                directory=directory, database=postgres.create_database("card"),
                redis_url=redis_url, extra=SERVICE,
            )
        )
        app = opened.enter_context(application(stack.environment, redis_url=redis_url))
        wechat = opened.enter_context(SandboxControl(base_url=stack.sandbox_url))
        yield Ground(stack, postgres, app, wechat)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("stack"), redis_url) as made:
        yield made


def test_l1_every_call_is_answered_once_and_for_all(service: Ground, sized: Sized) -> None:
    stack = service.stack
    city = found_city(
        service.app, service.wechat,
        holders=sized(ci=20, full=100), tickets=sized(ci=5, full=10),
        # So many that no clerk meets the limit of 600 calls a minute when all are sent again.
        clerks=sized(ci=16, full=48), accepts=100,
    )
    killer = Killer(stack, service.postgres)
    kills = killer.plan(
        web=sized(ci=5, full=16), job=sized(ci=1, full=2), backends=sized(ci=1, full=2)
    )
    clients = sized(ci=32, full=64)
    storm = prepare_storm(city, ids_per_voucher=10)
    storm.blow(stack.base_url, clients=clients, kills=kills)

    assert killer.killed.total() == len(kills)
    assert storm.troubles.total() > 0  # the kills met calls
    assert storm.violations() == []
    assert max(storm.recovery_seconds()) <= 10
    stack.wait_until_ready(10)
    assert storm.send_again(stack.base_url, clients=clients) == []

    with psycopg.connect(stack.database.admin_url, autocommit=True) as admin:
        wait_until(lambda: nothing_waits(admin), "all messages to be delivered", 120)
        vouchers, calls = len(city.tickets()), len(storm.calls)
        assert counted(admin, "SELECT count(*) FROM redemptions") == vouchers
        assert counted(admin, "SELECT count(*) FROM redemption_attempts") == calls
        assert redeemed_ids(admin) == accepted_ids(storm)
        assert findings(service.app) == []
        assert messages(admin) == Counter(sent=vouchers)
    told = deliveries(service.wechat, city)
    assert set(told) == {(h.openid, str(t.price_points)) for h in city.holders for t in h.tickets}
    # WeChat knows no key: a job that was killed between sending and writing it down sends again.
    assert told.total() - vouchers <= JOBS_AT_ONCE * stack.worker.restarts


def test_without_lock_and_keys_the_same_storm_is_found_out(service: Ground) -> None:
    """The control, which leaves a mess behind."""
    city = found_city(
        service.app, service.wechat, holders=4, tickets=1, clerks=4, price_points=0
    )
    killer = Killer(service.stack, service.postgres)
    storm = prepare_storm(city, ids_per_voucher=8)
    with (
        psycopg.connect(service.stack.database.admin_url, autocommit=True) as admin,
        without_the_keys(admin),
        changed_function(admin, REDEEM, without_lock("pg_sleep(0.3)")),
    ):
        storm.blow(service.stack.base_url, clients=16, kills=[killer.web_worker])
        assert storm.violations() != []
        assert findings(service.app) != []


def redeemed_ids(admin: psycopg.Connection[Any]) -> set[Any]:
    return {row[0] for row in admin.execute("SELECT redemption_id FROM redemptions")}


def accepted_ids(storm: Storm) -> set[Any]:
    return {one for one, answer in storm.answers.items() if answer.status == 200}


def messages(admin: psycopg.Connection[Any]) -> Counter[str]:
    """The states of the messages; the table has one row for each key."""
    return Counter(row[0] for row in admin.execute("SELECT state FROM wechat_messages"))


def deliveries(wechat: SandboxControl, city: City) -> Counter[tuple[str, str]]:
    """What arrived at WeChat, by receiver and price."""
    receivers = {holder.openid for holder in city.holders}
    return Counter(
        (message.openid, message.data["number4"])
        for message in wechat.sent_messages() if message.openid in receivers
    )

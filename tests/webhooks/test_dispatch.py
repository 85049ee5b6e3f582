"""Two workers, one send; a killed worker's attempt is made again; who hangs holds up nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import transaction
from app.webhooks import dispatch
from app.webhooks.addresses import Guard
from app.webhooks.dispatch import TAKE
from app.webhooks.retries import LEASE
from app.webhooks.sending import DEFAULT_LIMITS, Outcome, Sender, SendLimits
from demo.servers import Database
from tests.conftest import ROOT, environment
from tests.races.threads import at_once
from tests.redemptions.builders import keys_of
from tests.webhooks.receiver import Received, receiving
from tests.webhooks.shop import Owner

LOCK = "FOR NO KEY UPDATE OF e SKIP LOCKED"


def test_a_lease_outlasts_every_attempt() -> None:
    assert LEASE.total_seconds() > 2 * (
        DEFAULT_LIMITS.total_seconds + DEFAULT_LIMITS.resolve_seconds
    )


def begun_by_two(worker: Flask, take: str) -> int:
    """Both claim, the second while the first has not committed; how many attempts begin."""
    first_has_taken, barrier = threading.Event(), threading.Barrier(2)

    def claim(number: int) -> int:
        with worker.app_context():
            if number:
                first_has_taken.wait(5)
            with transaction() as session:
                if number:
                    barrier.wait(5)
                rows = session.execute(text(take), {"most": 5, "lease": LEASE}).all()
                if not number:
                    first_has_taken.set()
                    barrier.wait(5)
                    time.sleep(0.3)  # the second is in the middle of its statement
            return len(rows)

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(claim, (0, 1)))


def test_two_workers_begin_one_delivery_once(owner: Owner) -> None:
    owner.endpoint("http://127.0.0.1:9/")
    owner.happens()
    assert begun_by_two(owner.worker, TAKE) == 1


def test_without_the_lock_both_workers_begin_it(owner: Owner) -> None:
    owner.endpoint("http://127.0.0.1:9/")
    owner.happens()
    assert LOCK in TAKE
    assert begun_by_two(owner.worker, TAKE.replace(LOCK, "")) == 2


def test_many_workers_send_each_delivery_once(owner: Owner) -> None:
    with receiving() as server:
        for _ in range(3):
            owner.endpoint(server.url)
        sent = {str(owner.happens()) for _ in range(4)}
        made = at_once([owner.send] * 4)
        assert sum(made) == 12
        assert sorted(server.ids()) == sorted([*sent] * 3)


def test_who_hangs_holds_up_nobody(owner: Owner) -> None:
    """The hanging endpoint has many deliveries due, and gets one at a time."""
    let_go = threading.Event()
    limits = SendLimits(read_seconds=60, total_seconds=60)
    patient = Sender(Guard(loopback_allowed=True), limits=limits)

    def hang(_: Received) -> int:
        let_go.wait(60)
        return 204

    with receiving(hang) as hanging, receiving() as server:
        stuck = owner.endpoint(hanging.url, event_types=["merchant.suspended"])
        owner.endpoint(server.url, event_types=["merchant.resumed"])
        for _ in range(20):
            owner.happens()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(owner.send, patient)
            wait_for(lambda: hanging.connections == 1)
            for number in range(1, 6):
                started = time.monotonic()
                owner.happens(suspended=False)
                wait_for(lambda number=number: len(server.received) == number)
                assert time.monotonic() - started < 1.5
                assert no_transaction_is_open(owner.worker)
            assert hanging.connections == 1
            assert not running.done()
            let_go.set()
            assert running.result(60) == 25
        assert owner.seen(stuck)["waiting_count"] == 0


def no_transaction_is_open(worker: Flask) -> bool:
    query = text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'card_job'
            AND state LIKE 'idle in transaction%' AND xact_start < now() - interval '1 second'
    """)
    with worker.app_context(), transaction() as session:
        return bool(session.execute(query).scalar_one() == 0)


def wait_for(condition: Any, seconds: float = 30) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)


@pytest.fixture
def worker_process(
    test_database: Database, servers: dict[str, Any], tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start the worker as operators do."""
    made: list[subprocess.Popen[bytes]] = []
    variables = environment(
        test_database, Path(servers["keys_file"]), DATABASE_URL=test_database.url("card_job"),
        CARD_JOB_POLL_MS="20",
    )  # fmt: skip

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            made.append(subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", "worker"], cwd=ROOT,
                env={**os.environ, **variables}, stdout=log, stderr=log,
            ))
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait()


def test_a_killed_workers_attempt_is_made_again_under_the_same_id(
    owner: Owner, worker_process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """kill -9 when the receiver has it, before the worker knows."""

    killed: list[int] = []

    def kill_the_first(_: Received) -> int:
        if not killed:
            process.kill()
            killed.append(process.wait())
        return 204

    with receiving(kill_the_first) as server:
        endpoint = owner.endpoint(server.url)
        event_id = owner.happens()
        process = worker_process()
        wait_for(lambda: killed)
        (unfinished,) = owner.log(endpoint)[0]["attempts"]
        assert (unfinished["status"], unfinished["error"]) == (None, None)
        with owner.worker.app_context():
            assert dispatch.begin_due(keys=keys_of(owner.app), most=5) == []  # it is leased
        owner.pass_time(f"{LEASE.total_seconds()} seconds")
        assert owner.send() == 1
        assert server.ids() == [str(event_id)] * 2
    attempts = owner.log(endpoint)[0]["attempts"]
    assert [one["status"] for one in attempts] == [None, 204]


def test_a_late_answer_of_a_lost_lease_counts_if_it_arrived(owner: Owner) -> None:
    """The lease went on to another worker, and the first one's message had arrived all the same."""
    with receiving() as server:
        endpoint = owner.endpoint(server.url)
        owner.happens()
        with owner.worker.app_context():
            (first,) = dispatch.begin_due(keys=keys_of(owner.app), most=5)
            owner.pass_time(f"{LEASE.total_seconds()} seconds")
            (second,) = dispatch.begin_due(keys=keys_of(owner.app), most=5)
            assert (first.number, second.number) == (1, 2)
            failed = Outcome(None, "timeout", 1)
            dispatch.note(first, failed)  # not the last attempt: it changes its own line alone
            assert owner.log(endpoint)[0]["next_at"] is not None
            assert owner.seen(endpoint)["failing_since_at"] is None
            dispatch.note(first, Outcome(200, None, 1))
            dispatch.note(second, failed)
    (delivery,) = owner.log(endpoint)
    assert delivery["state"] == "delivered"

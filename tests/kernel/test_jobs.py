"""Jobs: one effect per committed message, whatever happens to the workers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel import outbox
from app.kernel.database import transaction
from app.kernel.ids import new_id, random_id
from demo.servers import Database
from tests.conftest import ROOT, Sized, environment
from tests.redemptions.builders import make_citizen, publish_benefit

STALL_SECONDS = 2
WAIT_SECONDS = 60


class Worker:
    """A worker process that can be killed and started again."""

    def __init__(self, variables: dict[str, str], log: Path) -> None:
        self._variables = variables
        self._log = log
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "tests.kernel.jobs_app", "worker"],
                cwd=ROOT,
                env={**os.environ, **self._variables},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.kill()
        self.process = self._started()


@pytest.fixture
def effects(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> Iterator[psycopg.Connection[Any]]:
    admin.execute("""
        CREATE TABLE job_effects (message_id uuid PRIMARY KEY, topic text, effects int, calls int);
        CREATE TABLE job_ticks (due bigint);
        GRANT SELECT, INSERT, UPDATE ON job_effects, job_ticks TO card_job
    """)
    yield admin
    admin.execute("DROP TABLE job_effects, job_ticks")


@pytest.fixture
def make_worker(
    effects: psycopg.Connection[Any],
    test_database: Database,
    servers: dict[str, Any],
    tmp_path: Path,
) -> Iterator[Callable[[], Worker]]:
    made: list[Worker] = []

    def make() -> Worker:
        variables = environment(
            test_database,
            Path(servers["keys_file"]),
            DATABASE_URL=test_database.url("card_job"),
            CARD_JOB_POLL_MS="20",
            CARD_JOB_STALL_SECONDS=str(STALL_SECONDS),
            CARD_JOB_RETRY_SECONDS="0",
        )
        made.append(Worker(variables, tmp_path / f"worker-{len(made)}.log"))
        return made[-1]

    yield make
    for worker in made:
        worker.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def nothing_waits(admin: psycopg.Connection[Any]) -> Callable[[], bool]:
    def check() -> bool:
        row = admin.execute("""
            SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM procrastinate_jobs
                WHERE status IN ('todo', 'doing') AND task_name = 'deliver')
        """).fetchone()
        return row == (0,)

    return check


def effect_count(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute("SELECT count(*) FROM job_effects").fetchone()
    assert row is not None
    return int(row[0])


def has_effects(admin: psycopg.Connection[Any], number: int) -> bool:
    return effect_count(admin) >= number


def put(app: Flask, topic: str, *, commit: bool = True) -> UUID:
    message_id = new_id()
    with app.app_context(), transaction() as session:
        outbox.put(citizen_id=random_id(), topic=topic, payload={}, message_id=message_id)
        if not commit:
            session.rollback()
    return message_id


def test_one_effect_per_commit_while_workers_are_killed(
    committing_app: Flask,
    effects: psycopg.Connection[Any],
    make_worker: Callable[[], Worker],
    sized: Sized,
) -> None:
    per_thread, kills = sized(ci=250, full=2_500), sized(ci=4, full=20)
    chance = random.Random(7)
    plans = [[chance.random() < 0.5 for _ in range(per_thread)] for _ in range(4)]
    committed: set[UUID] = set()
    workers = [make_worker(), make_worker()]

    def write(plan: list[bool]) -> None:
        for commit in plan:
            message_id = put(committing_app, "test.effect", commit=commit)
            if commit:
                committed.add(message_id)

    threads = [threading.Thread(target=write, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    total = sum(sum(plan) for plan in plans)
    for kill in range(1, kills + 1):
        wait_until(partial(has_effects, effects, kill * total // (kills + 2)))
        chance.choice(workers).start_again()
    for thread in threads:
        thread.join()
    wait_until(nothing_waits(effects))
    found = effects.execute("SELECT message_id, effects FROM job_effects").fetchall()
    assert {row[0] for row in found} == committed
    assert {row[1] for row in found} == {1}


def test_a_poison_message_is_a_dead_letter_after_five_tries(
    committing_app: Flask, effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    make_worker()
    poison = put(committing_app, "test.poison")
    good = [put(committing_app, "test.effect") for _ in range(5)]
    wait_until(nothing_waits(effects))
    calls = dict(effects.execute("SELECT message_id, calls FROM job_effects").fetchall())
    assert calls == {poison: 5, **dict.fromkeys(good, 1)}
    row = effects.execute("SELECT jobs_dead FROM queue_state()").fetchone()
    assert row == (1,)


def test_a_message_that_kills_its_worker_is_delivered_by_the_next(
    committing_app: Flask, effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    first = make_worker()
    message = put(committing_app, "test.deadly_once")
    assert first.process.wait(timeout=WAIT_SECONDS) == -signal.SIGKILL
    make_worker()
    wait_until(nothing_waits(effects))
    rows = effects.execute("SELECT message_id, calls FROM job_effects").fetchall()
    assert rows == [(message, 2)]


def test_a_message_that_kills_every_worker_is_given_up(
    committing_app: Flask, effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    message = put(committing_app, "test.deadly")
    worker = make_worker()
    while not nothing_waits(effects)():
        if worker.process.poll() is not None:
            worker.start_again()
        time.sleep(0.05)
    rows = effects.execute("SELECT message_id, calls FROM job_effects").fetchall()
    assert rows == [(message, 5)]


def test_a_worker_stops_cleanly_and_leaves_nothing_taken(
    committing_app: Flask, effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    worker = make_worker()
    for _ in range(200):
        put(committing_app, "test.effect")
    wait_until(partial(has_effects, effects, 1))
    worker.process.terminate()
    assert worker.process.wait(timeout=WAIT_SECONDS) == 0
    taken = effects.execute(
        "SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'),"
        " (SELECT count(*) FROM procrastinate_workers)"
    ).fetchone()
    assert taken == (0, 0)


def test_a_worker_that_loses_the_database_stops_and_the_next_goes_on(
    committing_app: Flask, effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    worker = make_worker()
    first = put(committing_app, "test.effect")
    wait_until(nothing_waits(effects))
    while worker.process.poll() is None:
        effects.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'card_job'"
            " AND datname = current_database()"
        )
        time.sleep(0.05)
    assert worker.process.returncode != 0
    make_worker()
    second = put(committing_app, "test.effect")
    wait_until(nothing_waits(effects))
    rows = effects.execute("SELECT message_id FROM job_effects").fetchall()
    assert {row[0] for row in rows} == {first, second}


def test_a_periodic_function_is_called_once_per_time(
    effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    make_worker()
    make_worker()

    def ticks() -> int:
        row = effects.execute("SELECT count(*) FROM job_ticks").fetchone()
        assert row is not None
        return int(row[0])

    wait_until(lambda: ticks() >= 3)
    twice = effects.execute(
        "SELECT due FROM job_ticks GROUP BY due HAVING due IS NULL OR count(*) > 1"
    ).fetchall()
    assert twice == []


def test_l8_an_overdue_hold_is_released_within_a_minute(
    committing_app: Flask, effects: psycopg.Connection[Any], make_worker: Callable[[], Worker]
) -> None:
    short = publish_benefit(committing_app, price_points=10, voucher_life_seconds=1)
    citizen = make_citizen(committing_app, points=10)
    make_worker()
    wait_until(lambda: has_rows(effects, "procrastinate_workers"))
    citizen.claimed(committing_app.test_client(), short)
    assert has_rows(effects, "ledger_open_holds")
    wait_until(lambda: not has_rows(effects, "ledger_open_holds"))
    late = effects.execute(
        "SELECT max(t.created_at) - max(v.expires_at)"
        " FROM ledger_transfers t, vouchers v WHERE t.kind = 'hold_expiry'"
    ).fetchone()
    assert late is not None
    assert timedelta() <= late[0] <= timedelta(seconds=60)


def has_rows(admin: psycopg.Connection[Any], table: str) -> bool:
    return admin.execute(f"SELECT FROM {table} LIMIT 1").fetchone() is not None

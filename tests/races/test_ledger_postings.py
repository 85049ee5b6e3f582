"""Debits, reversals, retries and first uses that come at the same time."""

import random
from collections import Counter
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any, Self

import psycopg
import pytest
from flask import Flask

from app.kernel.ids import new_id, random_id
from demo.servers import Database
from tests.conftest import Sized
from tests.ledger.checks import assert_ledger_balances
from tests.races.ledger import Outcome, call, guards_off, run_together

pytestmark = pytest.mark.timeout(3600)  # for the full sizes

GRANT = "ledger_grant(%s, %s, %s, %s, '2099-01-01', NULL, 'race')"
SPEND = "ledger_spend(%s, %s, %s, %s, NULL, 'race')"
REVERSE = "ledger_reverse(%s, %s, %s, NULL, NULL)"
WAIT = "PERFORM pg_sleep(0.005); "
CHAIN = "uq_ledger_entries__citizen_id_account_id_account_version"
ADMITTING = [
    ("ledger_lots", "ck_ledger_lots__remaining"),
    ("ledger_accounts", "ck_ledger_accounts__balance"),
]
# Read, wait, decide: what the account row's lock prevents.
UNLOCKED = (
    "FOR UPDATE;\n    IF FOUND THEN\n        RETURN account;",
    ";\n    IF FOUND THEN\n        PERFORM pg_sleep(0.002);\n        RETURN account;",
)


@pytest.fixture
def context(committing_app: Flask) -> Iterator[None]:
    with committing_app.app_context():
        yield


def fund(admin: psycopg.Connection[Any], accounts: int, amount: int) -> list[Any]:
    citizens = [random_id() for _ in range(accounts)]
    for citizen_id in citizens:
        for part in (amount // 2, amount - amount // 2):
            admin.execute(f"SELECT {GRANT}".encode(), (citizen_id, new_id(), citizen_id, part))
    return citizens


class Sampler:
    """Watches the lowest available balance while others write."""

    def __init__(self, made: Database) -> None:
        self.lowest = 0
        self._done = Event()
        self._thread = Thread(target=self._watch, args=(made,))

    def _watch(self, made: Database) -> None:
        with psycopg.connect(made.url("card_web"), autocommit=True) as connection:
            while not self._done.wait(0.005):
                row = connection.execute(
                    "SELECT coalesce(min(balance_units - held_units), 0) FROM ledger_accounts"
                ).fetchone()
                self.lowest = min(self.lowest, row[0] if row else 0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def race_debits(made: Database, citizens: list[Any], threads: int, each: int) -> Counter[Any]:
    def spend(connection: psycopg.Connection[Any], number: int) -> list[Outcome]:
        chosen = random.Random(number)
        turns = [citizens[(number + turn) % len(citizens)] for turn in range(each)]
        chosen.shuffle(turns)
        return [call(connection, SPEND, who, new_id(), who, 1) for who in turns]

    results = run_together(made, threads, spend)
    return Counter(
        outcome.error or outcome.code for outcomes in results for outcome in outcomes
    )


def test_exactly_the_funded_debits_succeed(
    context: None, admin: psycopg.Connection[Any], test_database: Database, sized: Sized
) -> None:
    threads, each, accounts = sized(ci=10, full=50), sized(ci=100, full=2_000), 20
    funded = threads * each // accounts // 2
    citizens = fund(admin, accounts, funded)
    with Sampler(test_database) as sampler:
        outcomes = race_debits(test_database, citizens, threads, each)
    assert outcomes == {
        None: funded * accounts,
        "insufficient_points": threads * each - funded * accounts,
    }
    assert sampler.lowest == 0
    assert_ledger_balances()


def test_without_lock_more_than_the_funded_debits_succeed(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    with guards_off(
        admin,
        test_database,
        functions={
            "ledger_lock_account": UNLOCKED,
            "ledger_take_lots": ("ASSERT wanted = 0", "ASSERT wanted >= 0"),
        },
        indexes=[CHAIN],
        constraints=ADMITTING,
    ):
        citizens = fund(admin, 1, 20)
        outcomes = race_debits(test_database, citizens, 8, 10)
        assert outcomes[None] > 20


def test_without_lock_the_chains_index_still_refuses(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    """The index is the law, the lock is manners."""
    with guards_off(
        admin, test_database, functions={"ledger_lock_account": UNLOCKED}
    ):
        citizens = fund(admin, 1, 20)
        outcomes = race_debits(test_database, citizens, 8, 10)
        assert outcomes["UniqueViolation"] > 0
        assert outcomes[None] <= 20
        assert_ledger_balances()


def race_reversals(
    admin: psycopg.Connection[Any], made: Database, count: int, threads: int
) -> Counter[Any]:
    grants = [(citizen_id, new_id()) for citizen_id in fund(admin, 8, 2) for _ in range(count // 8)]
    for citizen_id, transfer_id in grants:
        admin.execute(f"SELECT {GRANT}".encode(), (citizen_id, transfer_id, citizen_id, 3))
    # Both tries for one grant stand next to each other, so that they meet.
    tries = [grant for grant in grants for _ in range(2)]

    def reverse(connection: psycopg.Connection[Any], number: int) -> list[Outcome]:
        return [
            call(connection, REVERSE, citizen_id, new_id(), transfer_id)
            for citizen_id, transfer_id in tries[number::threads]
        ]

    results = run_together(made, threads, reverse)
    return Counter(
        outcome.error or outcome.code for outcomes in results for outcome in outcomes
    )


def test_each_grant_is_reversed_once(
    context: None, admin: psycopg.Connection[Any], test_database: Database, sized: Sized
) -> None:
    count = sized(ci=504, full=5_000)
    outcomes = race_reversals(admin, test_database, count, threads=20)
    assert outcomes == {None: count, "already_reversed": count}
    left = admin.execute("SELECT sum(balance_units) FROM ledger_accounts").fetchone()
    assert left == (8 * 2,)
    total = admin.execute("SELECT sum(amount_units) FROM ledger_entries").fetchone()
    assert total == (0,)
    assert_ledger_balances()


def test_without_lock_and_index_a_grant_is_reversed_twice(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    with guards_off(
        admin,
        test_database,
        functions={
            "ledger_reverse": ("FOR UPDATE;", ";"),
            "ledger_reverse_grant": (
                "account := ledger_apply(account, t, -t.amount_units, 0);",
                WAIT + "account := ledger_apply(account, t, -t.amount_units, 0);",
            ),
            "ledger_take_lots": ("ASSERT wanted = 0", "ASSERT wanted >= 0"),
        },
        indexes=["uq_ledger_transfers__citizen_id_reverses_id", CHAIN],
        constraints=ADMITTING,
    ):
        outcomes = race_reversals(admin, test_database, 40, threads=4)
        assert outcomes[None] > 40


def test_one_id_sent_many_times_has_one_effect(
    context: None, admin: psycopg.Connection[Any], test_database: Database, sized: Sized
) -> None:
    (citizen_id,) = fund(admin, 1, 100)
    transfer_id, threads, each = new_id(), 20, sized(ci=3, full=10)

    def retry(connection: psycopg.Connection[Any], number: int) -> list[Any]:
        return [
            connection.execute(
                f"SELECT * FROM {SPEND}".encode(), (citizen_id, transfer_id, citizen_id, 7)
            ).fetchone()
            for _ in range(each)
        ]

    answers = [row for rows in run_together(test_database, threads, retry) for row in rows]
    assert Counter(row.replayed for row in answers) == {False: 1, True: threads * each - 1}
    assert {row._replace(replayed=None) for row in answers} == {
        answers[0]._replace(replayed=None)
    }
    assert_ledger_balances()


def test_one_id_for_two_requests_at_once_is_one_of_them(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    (citizen_id,) = fund(admin, 1, 100)
    transfer_id = new_id()

    def spend(connection: psycopg.Connection[Any], number: int) -> Outcome:
        return call(connection, SPEND, citizen_id, transfer_id, citizen_id, 1 + number)

    outcomes = run_together(test_database, 10, spend)
    assert Counter(outcome.code for outcome in outcomes) == {None: 1, "id_reused": 9}


def test_an_account_is_opened_once(context: None, test_database: Database) -> None:
    citizen_id = random_id()

    def grant(connection: psycopg.Connection[Any], number: int) -> Outcome:
        return call(connection, GRANT, citizen_id, new_id(), citizen_id, 1)

    outcomes = run_together(test_database, 20, grant)
    assert all(outcome.is_accepted for outcome in outcomes)
    assert_ledger_balances()


def test_a_refusal_of_an_unknown_hold_is_one_row(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    """There is no account to lock: the transfer's key decides."""
    citizen_id, transfer_id, hold_id = random_id(), new_id(), new_id()

    def void(connection: psycopg.Connection[Any], number: int) -> Outcome:
        return call(
            connection, "ledger_void_hold(%s, %s, %s)", citizen_id, transfer_id, hold_id
        )

    outcomes = run_together(test_database, 10, void)
    assert Counter(outcome.code for outcome in outcomes) == {"hold_not_found": 10}
    assert admin.execute("SELECT count(*) FROM ledger_transfers").fetchone() == (1,)


def race_opposite_moves(
    admin: psycopg.Connection[Any], made: Database, threads: int, each: int
) -> Counter[Any]:
    citizen_id = random_id()
    for purpose in ("guarantee", "clinic"):
        admin.execute(
            "SELECT ledger_set_credit_line(%s, %s, %s, 'fen', %s, 1000000)",
            (citizen_id, new_id(), citizen_id, purpose),
        )
    one, two = (
        row[0]
        for row in admin.execute("SELECT account_id FROM ledger_accounts ORDER BY 1").fetchall()
    )

    def move(connection: psycopg.Connection[Any], number: int) -> list[Outcome]:
        pair = (one, two) if number % 2 else (two, one)
        return [
            call(
                connection,
                "ledger_transfer(%s, %s, %s, %s, 1, NULL, 'race')",
                citizen_id,
                new_id(),
                *pair,
            )
            for _ in range(each)
        ]

    results = run_together(made, threads, move)
    return Counter(
        outcome.error or outcome.code for outcomes in results for outcome in outcomes
    )


def test_opposite_moves_never_deadlock(
    context: None, admin: psycopg.Connection[Any], test_database: Database, sized: Sized
) -> None:
    each = sized(ci=30, full=3_000)
    outcomes = race_opposite_moves(admin, test_database, 20, each)
    assert outcomes == {None: 20 * each}
    assert_ledger_balances()


def test_without_an_order_of_locks_opposite_moves_deadlock(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    with guards_off(
        admin,
        test_database,
        functions={
            "ledger_transfer": (
                "ORDER BY a.account_id FOR UPDATE",
                "ORDER BY a.account_id = to_account FOR UPDATE",
            )
        },
    ):
        admin.execute(f"ALTER DATABASE {test_database.name} SET deadlock_timeout = '20ms'".encode())
        try:
            outcomes = race_opposite_moves(admin, test_database, 8, 30)
        finally:
            admin.execute(f"ALTER DATABASE {test_database.name} RESET deadlock_timeout".encode())
        assert outcomes["DeadlockDetected"] > 0

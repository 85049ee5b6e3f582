"""A hold has one ending, whoever comes first."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.ids import new_id, random_id
from app.ledger import operations
from demo.servers import Database
from tests.conftest import Sized
from tests.ledger.checks import assert_ledger_balances
from tests.races.ledger import Outcome, call, guards_off, run_together

pytestmark = pytest.mark.timeout(3600)  # for the full sizes

HELD = 10
ENDINGS = (
    "ledger_post_hold(%s, %s, %s, NULL, NULL)",
    "ledger_post_hold(%s, %s, %s, 4, NULL)",
    "ledger_void_hold(%s, %s, %s)",
    "ledger_expire_hold(%s, %s, %s)",
)


@pytest.fixture
def context(committing_app: Flask) -> Iterator[None]:
    with committing_app.app_context():
        yield


def place_holds(
    admin: psycopg.Connection[Any], count: int, milliseconds: int
) -> list[tuple[UUID, UUID]]:
    """Holds of as many citizens; each is due soon after the last one was placed."""
    pairs = [(random_id(), new_id()) for _ in range(count)]
    for citizen_id, _ in pairs:
        admin.execute(
            "SELECT ledger_grant(%s, %s, %s, 25, '2099-01-01', NULL, 'race')",
            (citizen_id, new_id(), citizen_id),
        )
    for citizen_id, hold_id in pairs:
        admin.execute(
            "SELECT ledger_hold(%s, %s, %s, %s,"
            " clock_timestamp() + %s * interval '1 millisecond', 'race')",
            (citizen_id, hold_id, citizen_id, HELD, milliseconds),
        )
    return pairs


def race_endings(made: Database, pairs: list[tuple[UUID, UUID]]) -> list[list[Outcome]]:
    def end_all(connection: psycopg.Connection[Any], number: int) -> list[Outcome]:
        return [
            call(connection, ENDINGS[number], citizen_id, new_id(), hold_id)
            for citizen_id, hold_id in pairs
        ]

    return run_together(made, len(ENDINGS), end_all)


def test_four_endings_race_and_one_wins(
    context: None, admin: psycopg.Connection[Any], test_database: Database, sized: Sized
) -> None:
    count = sized(ci=100, full=1_000)
    pairs = place_holds(admin, count, milliseconds=sized(ci=60, full=600))
    results = race_endings(test_database, pairs)
    assert {outcome.error for outcomes in results for outcome in outcomes} == {None}
    for outcomes in zip(*results, strict=True):
        assert sum(outcome.is_accepted for outcome in outcomes) <= 1
        refusals = {outcome.code for outcome in outcomes} - {None}
        assert refusals <= {"hold_ended", "hold_expired", "hold_not_due"}
    admin.execute("SELECT pg_sleep_until(max(expires_at)) FROM ledger_open_holds")
    while operations.expire_due_holds(limit=100):
        pass
    assert_one_ending_each(admin, count)
    assert_ledger_balances()


def assert_one_ending_each(admin: psycopg.Connection[Any], count: int) -> None:
    rows = admin.execute(
        "SELECT count(*), count(DISTINCT (citizen_id, hold_id)),"
        " sum(CASE WHEN kind = 'post' THEN amount_units ELSE 0 END)"
        " FROM ledger_transfers WHERE hold_id IS NOT NULL AND outcome = 'accepted'"
    ).fetchone()
    assert rows is not None
    endings, holds, posted = rows
    assert (endings, holds) == (count, count)
    left = admin.execute(
        "SELECT sum(balance_units), sum(held_units) FROM ledger_accounts"
    ).fetchone()
    assert left == (25 * count - posted, 0)


def test_without_lock_and_index_a_hold_ends_twice(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    with guards_off(
        admin,
        test_database,
        functions={
            # Everybody has looked before anybody writes.
            "ledger_end_hold": ("FOR UPDATE;", ";"),
            "ledger_ending_refusal": ("RETURN NULL;", "PERFORM pg_sleep(0.02); RETURN NULL;"),
            "ledger_post_hold": ("FOR UPDATE;", "; PERFORM pg_sleep(0.02);"),
        },
        indexes=[
            "uq_ledger_transfers__citizen_id_hold_id",
            "uq_ledger_entries__citizen_id_account_id_account_version",
        ],
        constraints=[
            ("ledger_lots", "ck_ledger_lots__remaining"),
            ("ledger_accounts", "ck_ledger_accounts__balance"),
        ],
    ):
        pairs = place_holds(admin, 20, milliseconds=60_000)
        winners = [
            sum(outcome.is_accepted for (outcome,) in race_endings(test_database, [pair]))
            for pair in pairs  # one after the other: who is refused early would run ahead
        ]
        assert max(winners) > 1


def test_the_widened_race_is_harmless_with_the_lock(
    context: None, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    with guards_off(
        admin,
        test_database,
        functions=dict.fromkeys(
            ("ledger_end_hold", "ledger_post_hold"),
            ("FOR UPDATE;", "FOR UPDATE; PERFORM pg_sleep(0.005);"),
        ),
    ):
        pairs = place_holds(admin, 20, milliseconds=60_000)
        results = race_endings(test_database, pairs)
        for outcomes in zip(*results, strict=True):
            assert sum(outcome.is_accepted for outcome in outcomes) == 1
        assert_ledger_balances()

"""Limited stock and budgets under many claims at once: never more than there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg
from flask import Flask

from app.kernel.ids import new_id
from tests.conftest import Sized
from tests.races.threads import at_once, changed_function, meeting
from tests.redemptions.answers import outcome
from tests.redemptions.builders import Citizen, make_citizen, publish_benefit

BUSY = 503  # the pool of the tests is small
WITHOUT_LOCK = {
    "ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;":
        "ORDER BY random() LIMIT 1; PERFORM race_meet(4);",
}  # fmt: skip


def claimed_by(app: Flask, people: Sequence[Citizen], benefit: str, tries: int) -> Counter[str]:
    """What became of so many claims of each, one after the other."""
    client, outcomes = app.test_client(), Counter[str]()
    for citizen in [*people] * tries:
        voucher_id = new_id()
        answer = citizen.claim(client, benefit, voucher_id)
        while answer.status_code == BUSY:
            answer = citizen.claim(client, benefit, voucher_id)
        outcomes[outcome(answer)[1]] += 1
    return outcomes


def claimed_by_all(
    app: Flask, benefit: str, clients: int, tries: int, people: int = 1
) -> Counter[str]:
    """Clients at the same time, each claiming for so many people."""
    calls: list[Callable[[], Counter[str]]] = [
        partial(claimed_by, app, [make_citizen(app) for _ in range(people)], benefit, tries)
        for _ in range(clients)
    ]
    return sum(at_once(calls), Counter[str]())


def left(admin: psycopg.Connection[Any], benefit: str) -> tuple[int, int]:
    row = admin.execute(
        "SELECT sum(left_count), coalesce(sum(left_fen), 0) FROM benefit_stock"
        " WHERE benefit_code = %s",
        (benefit,),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def test_ten_thousand_claims_on_a_thousand_pieces(
    committing_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    clients, pieces = sized(ci=16, full=64), sized(ci=50, full=1_000)
    # Nobody may claim more than 30 times a minute: 64 × 6 × 27 are 10,368 claims.
    people, tries = sized(ci=1, full=6), sized(ci=10, full=27)
    benefit = publish_benefit(committing_app, stock=pieces)
    outcomes = claimed_by_all(committing_app, benefit, clients, tries, people)
    assert outcomes == {"": pieces, "out_of_stock": clients * people * tries - pieces}
    assert left(admin, benefit) == (0, 0)


def test_a_budget_ends_at_its_last_whole_subsidy(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    subsidy = {"payer": "programme", "fen": 300}
    benefit = publish_benefit(committing_app, stock=100, subsidy=subsidy, budget_fen=6_100)
    outcomes = claimed_by_all(committing_app, benefit, 8, 5)
    assert outcomes == {"": 20, "out_of_stock": 20}
    assert left(admin, benefit) == (80, 0)


def test_without_the_lock_more_is_given_than_there_is(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    benefit = publish_benefit(committing_app, stock=1)
    law = "ALTER TABLE benefit_stock {} CONSTRAINT ck_benefit_stock__left_count {}"
    admin.execute(law.format("DROP", ""))
    try:
        with meeting(admin), changed_function(admin, "benefit_take(uuid)", WITHOUT_LOCK):
            outcomes = claimed_by_all(committing_app, benefit, 4, 1)
    finally:
        admin.execute("DELETE FROM benefit_stock WHERE left_count < 0")
        admin.execute(law.format("ADD", "CHECK (left_count >= 0)"))
    assert outcomes[""] > 1

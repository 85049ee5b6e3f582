"""Two machines with one pass code, two desks with one holder: one of them, whatever the moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.library.machines import present
from tests.library.reading_room import Library, open_library, publish_figures
from tests.races.threads import at_once, meeting_before_writes
from tests.redemptions.builders import Citizen, keys_of, make_citizen

RACERS = 6


@pytest.fixture
def library(committing_app: Flask) -> Library:
    publish_figures(committing_app)
    return open_library(committing_app, committing_app.test_client())


@contextmanager
def without(admin: psycopg.Connection[Any], change: str, back: str, table: str) -> Iterator[None]:
    admin.execute(change)
    try:
        with meeting_before_writes(admin, table, RACERS):
            yield
    finally:
        admin.execute(f"TRUNCATE {table}; {back}")


def learned(app: Flask, library: Library) -> Counter[str | None]:
    """What machines are told that show one pass code at the same moment."""
    code = make_citizen(app, tier="AA", consents=("library",)).pass_code(library.client)
    machines = [UUID(library.make_machine()["machine"]["machine_id"]) for _ in range(RACERS)]

    def ask(machine_id: UUID) -> str | None:
        with app.app_context():
            return present(keys=keys_of(app), machine_id=machine_id, text=code).refused

    return Counter(at_once([partial(ask, machine_id) for machine_id in machines]))


def registered(app: Flask, library: Library, holder: Citizen) -> Counter[int]:
    """What desks are answered that register one holder at once, each with a reference."""
    references = [library.asked(holder)["reference"] for _ in range(RACERS)]
    calls: list[Callable[[], TestResponse]] = [
        partial(library.register, reference) for reference in references
    ]
    return Counter(answer.status_code for answer in at_once(calls))


def test_of_machines_with_one_pass_code_one_learns(
    committing_app: Flask, library: Library
) -> None:
    told = learned(committing_app, library)
    assert told == {None: 1, "code_burnt": RACERS - 1}


def test_negative_control_without_the_key_all_of_them_learn(
    committing_app: Flask, library: Library, admin: psycopg.Connection[Any]
) -> None:
    with without(
        admin,
        "ALTER TABLE code_presentations DROP CONSTRAINT pk_code_presentations",
        "ALTER TABLE code_presentations ADD CONSTRAINT pk_code_presentations"
        " PRIMARY KEY (citizen_id, code_digest)",
        "code_presentations",
    ):
        assert learned(committing_app, library)[None] > 1


def test_a_holder_gets_one_waiver(committing_app: Flask, library: Library) -> None:
    holder = make_citizen(committing_app, tier="AAA", consents=("library",))
    assert registered(committing_app, library, holder) == {201: 1, 409: RACERS - 1}
    assert len(library.standing()) == 1


def test_negative_control_without_the_index_a_holder_gets_several(
    committing_app: Flask, library: Library, admin: psycopg.Connection[Any]
) -> None:
    holder = make_citizen(committing_app, tier="AAA", consents=("library",))
    with without(
        admin, "DROP INDEX uq_library_waivers__live",
        "CREATE UNIQUE INDEX uq_library_waivers__live"
        " ON library_waivers (citizen_id, merchant_id, kind) WHERE returned_at IS NULL",
        "library_waivers",
    ):
        assert registered(committing_app, library, holder)[201] > 1

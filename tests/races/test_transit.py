"""The same batch over two connections at once is one batch; a day is settled once."""

from __future__ import annotations

from threading import Barrier
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.transit import settling
from tests.races.threads import at_once, meeting_before_writes
from tests.transit.test_trips import LATER, Ride, make_ride
from tests.transit.town import make_company

TIMES = 4


def uploaded_at_once(ride: Ride) -> list[tuple[int, bytes]]:
    """Answers to the same batch, sent by several at once."""
    batch_id, rows = new_id(), [ride.row(at) for at in (1, 5, 9)]

    def upload() -> tuple[int, bytes]:
        answer = ride.upload(*rows, batch_id=batch_id)
        return answer.status_code, answer.data

    return at_once([upload] * TIMES)


def sums(admin: psycopg.Connection[Any]) -> tuple[int, int]:
    row = admin.execute("SELECT sum(trip_count), sum(subsidy_fen) FROM transit_days").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def test_the_same_batch_at_once_is_taken_once(
    committing_app: Flask, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ride = make_ride(committing_app, make_company(committing_app))
    told = uploaded_at_once(ride)
    assert {status for status, _ in told} == {200}
    assert len({body for _, body in told}) == 1
    assert admin.execute("SELECT count(*) FROM transit_reports").fetchone() == (3,)
    assert settled_at_once(committing_app, monkeypatch) == [1] * TIMES
    assert sums(admin) == (3, 120)


def settled_at_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Several workers that have all found the same day before any has settled it."""
    monkeypatch.setattr(settling, "SETTLED_AFTER", -LATER)
    original, all_found = settling.settle, Barrier(TIMES)

    def late(day: settling.Day) -> None:
        all_found.wait(timeout=30)
        original(day)

    monkeypatch.setattr(settling, "settle", late)

    def settle() -> int:
        with app.app_context():
            return settling.settle_due_days(limit=10)

    return at_once([settle] * TIMES)


def test_without_the_keys_every_row_is_kept_again(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """The negative control: it is the keys that make one batch of several."""
    ride = make_ride(committing_app, make_company(committing_app))
    changed = ("transit_batches", "merchant_id, batch_id"), (
        "transit_reports", "merchant_id, trip_id, report_digest",
    )  # fmt: skip
    for table, _ in changed:
        admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    try:
        with meeting_before_writes(admin, "transit_batches", TIMES):
            uploaded_at_once(ride)
        kept = admin.execute("SELECT count(*) FROM transit_reports").fetchone()
    finally:
        for table, key in changed:
            admin.execute(
                f"TRUNCATE {table}; ALTER TABLE {table} ADD CONSTRAINT pk_{table}"
                f" PRIMARY KEY ({key})"
            )
    assert kept is not None
    assert kept[0] > 3

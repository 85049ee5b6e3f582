"""A recomputation never overwrites the result of a delivery that it did not see."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import db, transaction
from app.kernel.ids import new_id
from app.records.queries import current_day
from app.scoring import recomputations, refreshing
from app.scoring.operations import refresh_citizens, refresh_scores
from app.scoring.recomputations import start_recomputation
from app.scoring.refreshing import verify
from tests.kernel.test_jobs import wait_until
from tests.records.programme import HOURS, Programme, build_programme


@pytest.fixture
def programme(committing_app: Flask) -> Iterator[Programme]:
    with committing_app.app_context():
        made = build_programme(committing_app, people=1)
        today = current_day()
        made.deliver(HOURS, made.hours("ZY-1", "2", day=today.isoformat()), on=today)
        refresh_scores()
        db.session.remove()
        yield made


def race(
    app: Flask, programme: Programme, admin: psycopg.Connection[Any], *, at_once: int
) -> int:
    """A correction is stored, not yet committed, while everybody is recomputed; the total after."""
    start_recomputation(recomputation_id=new_id(), slices=at_once)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.execute(text("UPDATE records SET replaced_on = delivered_on"))
            refresh_citizens(citizen_ids=programme.citizens)
            running = pool.submit(recompute, app, at_once)
            wait_until(lambda: somebody_waits(admin))
        running.result(timeout=30)
    row = admin.execute("SELECT total FROM scores").fetchone()
    assert row is not None
    return int(row[0])


def recompute(app: Flask, at_once: int) -> None:
    with app.app_context():
        recomputations.finish_running(at_once=at_once)
        db.session.remove()


def somebody_waits(admin: psycopg.Connection[Any]) -> bool:
    row = admin.execute("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """).fetchone()
    return row != (0,)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_recomputation_waits_for_a_delivery(
    committing_app: Flask, programme: Programme, admin: psycopg.Connection[Any], at_once: int
) -> None:
    assert race(committing_app, programme, admin, at_once=at_once) == 0


@pytest.mark.parametrize("at_once", [1, 2])
def test_negative_control_without_the_lock_an_old_result_wins(
    committing_app: Flask, programme: Programme, admin: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch, at_once: int,
) -> None:
    monkeypatch.setattr(refreshing, "BESIDE_SLICES", text("SELECT 1"))
    # Everybody is stored, changed or not: the total before the delivery.
    admin.execute("UPDATE scores SET tier = 'A'")
    assert race(committing_app, programme, admin, at_once=at_once) == 1


def test_slices_side_by_side_store_everybody(
    committing_app: Flask, programme: Programme, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("""
        INSERT INTO records (citizen_id, record_type, record_number, version, is_void, event_on,
                             measures, content_digest, delivery_id, row_number, delivered_on)
        SELECT gen_random_uuid(), record_type, 'N' || n, 1, false, event_on, measures, '',
               delivery_id, n, delivered_on
        FROM records, generate_series(1, 40) n
    """)
    assert refresh_scores(slices=5, at_once=2) == 40
    assert admin.execute("SELECT count(*), min(total) FROM scores").fetchone() == (41, 1)
    assert verify(as_of=current_day(), first=UUID(int=0)) == []
    assert refresh_scores(slices=5, at_once=2) == 0

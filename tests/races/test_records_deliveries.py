"""One file that is sent several times at once is taken once; deliveries wait for each other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from uuid import UUID

import psycopg
import pytest
import sqlalchemy.exc
from flask import Flask
from sqlalchemy import text

from app.kernel.database import db
from app.kernel.ids import new_id
from app.ledger.queries import points_as_of
from app.records import operations
from app.records.operations import DeliveryRequest
from app.records.queries import DeliveryReport
from app.records.reading import Encoding
from app.scoring.operations import take_delivery
from tests.races.threads import at_once
from tests.records.programme import DAY, HOURS, Programme, build_programme, csv_file

RACERS = 4


@pytest.fixture
def programme(committing_app: Flask) -> Iterator[Programme]:
    with committing_app.app_context():
        made = build_programme(committing_app)
        db.session.remove()
        yield made


def send(
    app: Flask, programme: Programme, delivery_id: UUID, content: bytes
) -> DeliveryReport | str:
    request = DeliveryRequest(
        delivery_id=delivery_id, record_type=HOURS, delivered_on=DAY, encoding=Encoding.UTF_8,
        file_name="file.csv", source_id=programme.source_id,
    )
    with app.app_context():
        try:
            return take_delivery(keys=programme.keys, request=request, file=io.BytesIO(content))
        except sqlalchemy.exc.IntegrityError as error:
            return type(error).__name__
        finally:
            db.session.remove()


def race(app: Flask, programme: Programme, ids: list[UUID]) -> list[DeliveryReport | str]:
    content = csv_file(HOURS, programme.hours("ZY-1", "3"))
    return at_once([partial(send, app, programme, one, content) for one in ids])


@contextmanager
def without_the_lock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everybody looks before anybody has written."""
    monkeypatch.setattr(operations, "_ONE_AT_A_TIME", text("SELECT pg_sleep(0.3)"))
    yield


def test_one_delivery_sent_many_times_at_once(committing_app: Flask, programme: Programme) -> None:
    reports = race(committing_app, programme, [new_id()] * RACERS)
    taken = [one for one in reports if isinstance(one, DeliveryReport)]
    assert len(taken) == RACERS
    assert sorted(one.replayed for one in taken) == [False, True, True, True]
    assert balance(programme) == 30


def test_one_file_under_many_ids_at_once(committing_app: Flask, programme: Programme) -> None:
    reports = race(committing_app, programme, [new_id() for _ in range(RACERS)])
    taken = [one for one in reports if isinstance(one, DeliveryReport)]
    assert sorted(one.duplicate_count for one in taken) == [0, 1, 1, 1]
    assert sorted(one.seq for one in taken) == [1, 2, 3, 4]
    assert balance(programme) == 30


def test_without_the_lock_they_collide(
    committing_app: Flask, programme: Programme, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control.  The keys of the tables still let no point be granted twice."""
    with without_the_lock(monkeypatch):
        answers = race(committing_app, programme, [new_id()] * RACERS)
    assert "IntegrityError" in answers
    assert balance(programme) == 30


def test_a_killed_import_leaves_nothing_and_is_sent_again(
    committing_app: Flask, programme: Programme, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    delivery_id = new_id()
    rows = [programme.hours(f"ZY-{at}", "1", day=f"2026-0{1 + at % 5}-11") for at in range(40)]
    content = csv_file(HOURS, *rows)
    admin.execute(
        "CREATE FUNCTION race_kill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        "CREATE TRIGGER race_kill AFTER INSERT ON delivery_refusals"
        " FOR EACH STATEMENT EXECUTE FUNCTION race_kill();"
    )
    bad = csv_file(HOURS, *rows, programme.hours("ZY-99", "x"))
    try:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            send(committing_app, programme, delivery_id, bad)
    finally:
        admin.execute("DROP TRIGGER race_kill ON delivery_refusals; DROP FUNCTION race_kill()")
    left = [
        admin.execute(f"SELECT count(*) FROM {table}").fetchone()
        for table in ("deliveries", "records", "record_holders", "record_grants", "ledger_lots")
    ]
    assert left == [(0,)] * 5
    report = send(committing_app, programme, delivery_id, content)
    assert isinstance(report, DeliveryReport)
    assert (report.accepted_count, report.replayed) == (40, False)


def balance(programme: Programme) -> int:
    found = points_as_of(citizen_id=programme.citizens[0], on=date(2026, 6, 30))
    db.session.remove()
    return found.balance_points

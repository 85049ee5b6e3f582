"""One file that is sent several times at once is taken once; deliveries are taken in their line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from app.records.operations import DeliveryRequest, open_report, receive_file
from app.records.queries import DeliveryReport, first_in_line
from app.records.reading import Encoding
from app.records.uploads import Upload
from app.records.working import CHUNK_ROWS, work_off
from app.scoring.operations import delivery_worker, take_delivery
from tests.races.threads import at_once, meeting_before_writes
from tests.records.programme import DAY, HOURS, Programme, build_programme, csv_file

RACERS = 4

Admin = psycopg.Connection[tuple[object, ...]]


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
def without_the_lock(
    monkeypatch: pytest.MonkeyPatch, admin: Admin
) -> Iterator[None]:
    """Everybody looks before anybody has written; the quota is what is written first."""
    monkeypatch.setattr(operations, "_ONE_ARRIVES_AT_A_TIME", text("SELECT 1"))
    with meeting_before_writes(admin, "source_days", RACERS):
        yield


def test_one_delivery_sent_many_times_at_once(committing_app: Flask, programme: Programme) -> None:
    reports = race(committing_app, programme, [new_id()] * RACERS)
    taken = [one for one in reports if isinstance(one, DeliveryReport)]
    assert len(taken) == RACERS
    assert sorted(one.replayed for one in taken) == [False, True, True, True]
    work(committing_app, programme)
    assert balance(programme) == 30


def test_one_file_under_many_ids_at_once(committing_app: Flask, programme: Programme) -> None:
    ids = [new_id() for _ in range(RACERS)]
    race(committing_app, programme, ids)
    work(committing_app, programme)
    with committing_app.app_context():
        reports = [open_report(delivery_id=one, source_id=None) for one in ids]
    in_line = sorted(reports, key=lambda one: one.seq)
    assert [one.seq for one in in_line] == [1, 2, 3, 4]
    assert [one.duplicate_count for one in in_line] == [0, 1, 1, 1]
    assert [one.status for one in in_line] == ["processed"] * RACERS
    finished = [one.finished_at for one in in_line if one.finished_at is not None]
    assert finished == sorted(finished)
    assert balance(programme) == 30


def test_many_workers_take_each_delivery_once(
    committing_app: Flask, programme: Programme
) -> None:
    """The claim and the checkpoint keep them apart, not luck: chunks have a single row."""
    people = [programme.hours(f"ZY-{at}", "1", day=f"2026-05-{at + 1:02}") for at in range(20)]
    first, second = new_id(), new_id()
    for delivery_id in (first, second):
        enqueue(programme, delivery_id, csv_file(HOURS, *people))
    at_once([partial(work, committing_app, programme, chunk_rows=1)] * RACERS)
    with committing_app.app_context():
        reports = [open_report(delivery_id=one, source_id=None) for one in (first, second)]
    counts = [(one.status, one.accepted_count, one.duplicate_count) for one in reports]
    assert counts == [("processed", 20, 0), ("processed", 0, 20)]
    assert balance(programme) == 200


def test_without_the_lock_they_collide(
    committing_app: Flask, programme: Programme, monkeypatch: pytest.MonkeyPatch, admin: Admin
) -> None:
    """The control.  The keys of the tables still let no point be granted twice."""
    with without_the_lock(monkeypatch, admin):
        answers = race(committing_app, programme, [new_id()] * RACERS)
    assert "IntegrityError" in answers
    assert balance(programme) == 30


def test_a_killed_chunk_leaves_nothing_and_is_taken_by_the_next(
    committing_app: Flask, programme: Programme, admin: Admin
) -> None:
    delivery_id = new_id()
    rows = [programme.hours(f"ZY-{at}", "1", day=f"2026-0{1 + at % 5}-11") for at in range(40)]
    admin.execute(
        "CREATE FUNCTION race_kill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        "CREATE TRIGGER race_kill AFTER INSERT ON delivery_refusals"
        " FOR EACH STATEMENT EXECUTE FUNCTION race_kill();"
    )
    content = csv_file(HOURS, *rows, programme.hours("ZY-99", "x"))
    try:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            send(committing_app, programme, delivery_id, content)
    finally:
        admin.execute("DROP TRIGGER race_kill ON delivery_refusals; DROP FUNCTION race_kill()")
    left = [
        admin.execute(f"SELECT count(*) FROM {table}").fetchone()
        for table in ("records", "record_holders", "record_grants", "ledger_lots")
    ]
    assert left == [(0,)] * 4
    admin.execute("UPDATE deliveries SET claimed_until = now()")  # the time of the dead is over
    work(committing_app, programme)
    report = send(committing_app, programme, delivery_id, content)
    assert isinstance(report, DeliveryReport)
    assert (report.accepted_count, report.refused_count, report.replayed) == (40, 1, True)


def enqueue(programme: Programme, delivery_id: UUID, content: bytes) -> None:
    request = DeliveryRequest(
        delivery_id=delivery_id, record_type=HOURS, delivered_on=DAY, encoding=Encoding.UTF_8,
        file_name="file.csv", source_id=programme.source_id,
    )
    receive_file(request=request, upload=Upload.of(programme.keys, io.BytesIO(content)))
    db.session.remove()


def work(app: Flask, programme: Programme, *, chunk_rows: int = CHUNK_ROWS) -> None:
    """Work until nothing waits, as the worker does."""
    with app.app_context():
        worker = replace(delivery_worker(keys=programme.keys), chunk_rows=chunk_rows)
        while first_in_line() is not None:
            for _ in work_off(worker=worker):
                pass
        db.session.remove()


def balance(programme: Programme) -> int:
    found = points_as_of(citizen_id=programme.citizens[0], on=date(2026, 6, 30))
    db.session.remove()
    return found.balance_points

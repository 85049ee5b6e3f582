"""Workers that are killed in the middle of an import: nothing is lost and nothing is doubled."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import db
from app.kernel.ids import new_id
from app.ledger.queries import points_as_of
from app.records.operations import DeliveryRequest, open_report
from app.records.reading import Encoding
from app.records.uploads import Upload
from app.records.working import CHUNK_ROWS, work_off
from app.scoring.operations import delivery_worker, receive_delivery
from demo.servers import Database
from tests.conftest import ROOT, Sized, environment, truncate_all
from tests.members.people import made_up_member
from tests.records.programme import DAY, HOURS, Programme, build_programme, csv_file, refusals

pytestmark = pytest.mark.timeout(3600)  # for the full size, and for machines with much to do

WAIT_SECONDS = 120
STALL_SECONDS = 1
COUNTS = ("row", "blank", "accepted", "corrected", "voided", "duplicate", "superseded", "dropped",
          "refused")  # fmt: skip
STATE = {
    "records": """
        SELECT row_number, record_number, version, is_void, event_on, measures, replaced_on,
            array_position(%s, citizen_id) FROM records ORDER BY row_number
    """,
    "grants": """
        SELECT record_number, version, granted_points, in_force, transfer_id IS NULL,
            array_position(%s, citizen_id) FROM record_grants ORDER BY record_number, version
    """,
    "transfers": """
        SELECT kind, amount_units, count(*), array_position(%s, citizen_id) FROM ledger_transfers
        GROUP BY 1, 2, 4 ORDER BY 4, 1, 2
    """,
    "scores": "SELECT array_position(%s, citizen_id), total, tier FROM scores ORDER BY 1",
}


@pytest.fixture
def killed(
    committing_app: Flask, test_database: Database, servers: dict[str, Any], tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start a worker, after killing the one before."""
    running: list[subprocess.Popen[bytes]] = []
    variables = environment(
        test_database, Path(servers["keys_file"]), DATABASE_URL=test_database.url("card_job"),
        CARD_JOB_POLL_MS="20", CARD_JOB_STALL_SECONDS=str(STALL_SECONDS),
    )  # fmt: skip

    def kill() -> None:
        for process in running:
            process.kill()
            process.wait()

    def start() -> subprocess.Popen[bytes]:
        kill()
        with (tmp_path / "worker.log").open("ab") as log:
            running[:] = [subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", "worker"], cwd=ROOT,
                env={**os.environ, **variables}, stdout=log, stderr=log,
            )]
        return running[0]

    yield start
    kill()


def rows_of(programme: Programme, number: int) -> list[list[str]]:
    """The same rows for every programme, but for who its people are."""
    chance, stranger = random.Random(5), made_up_member().id_number
    people = [*(one.id_number for one in programme.people), stranger]
    made = []
    for at in range(number):
        again = chance.random() < 0.2
        made.append(programme.hours(
            f"ZY-{chance.randrange(max(1, at // 2)) if again else at}",
            chance.choice(["0.5", "1", "2", "x"] if at % 7 == 0 else ["1", "2.5"]),
            version=str(chance.choice([1, 2, 3]) if again else 1),
            day=f"2026-0{chance.randint(1, 5)}-{chance.randint(10, 28)}",
            person=people[at % len(people)],
        ))
    return made


def put_in_line(programme: Programme, rows: int) -> UUID:
    request = DeliveryRequest(
        delivery_id=new_id(), record_type=HOURS, delivered_on=DAY, encoding=Encoding.UTF_8,
        file_name="file.csv", source_id=programme.source_id,
    )  # fmt: skip
    content = io.BytesIO(csv_file(HOURS, *rows_of(programme, rows)))
    receive_delivery(
        keys=programme.keys, request=request, upload=Upload.of(programme.keys, content),
        at_once_max_bytes=0,
    )
    db.session.remove()
    return request.delivery_id


def progress(admin: psycopg.Connection[Any]) -> tuple[int, bool]:
    row = admin.execute("SELECT taken_row, finished_at IS NOT NULL FROM deliveries").fetchone()
    assert row is not None
    return row[0], row[1]


def state_of(
    admin: psycopg.Connection[Any], programme: Programme, delivery_id: UUID
) -> dict[str, Any]:
    """Everything that an import leaves, told without the ids that are drawn anew."""
    report = open_report(delivery_id=delivery_id, source_id=None)
    balances = [points_as_of(citizen_id=one, on=DAY) for one in programme.citizens]
    db.session.remove()
    return {
        "report": [report.status, *(getattr(report, f"{name}_count") for name in COUNTS)],
        "refusals": refusals(report),
        "balances": [(one.balance_points, one.lots) for one in balances],
        **{name: admin.execute(sql, [programme.citizens]).fetchall()
           for name, sql in STATE.items()},
    }


def undisturbed(app: Flask, admin: psycopg.Connection[Any], rows: int, *, shift: int = 0) -> Any:
    """The state after an import in peace; with `shift`, a checkpoint that lies by so many rows."""
    programme = build_programme(app)
    delivery_id = put_in_line(programme, rows)
    worker = replace(delivery_worker(keys=programme.keys), chunk_rows=CHUNK_ROWS)
    if shift:
        next(work_off(worker=worker))
        admin.execute("UPDATE deliveries SET taken_row = taken_row + %s, claimed_until = now()",
                      [shift])
    for _ in work_off(worker=worker):
        pass
    return state_of(admin, programme, delivery_id)


def test_an_import_whose_workers_are_killed_ends_like_one_in_peace(
    committing_app: Flask,
    admin: psycopg.Connection[Any],
    killed: Callable[[], subprocess.Popen[bytes]],
    test_database: Database,
    sized: Sized,
) -> None:
    kills, chance = sized(ci=5, full=50), random.Random()
    rows = (kills + 2) * CHUNK_ROWS
    with committing_app.app_context():
        programme = build_programme(committing_app)
        delivery_id = put_in_line(programme, rows)
        last, deadline = 0, time.monotonic() + WAIT_SECONDS * kills
        for _ in range(kills):
            killed()
            while (now := progress(admin)) == (last, False):  # one chunk at least, or no end
                assert time.monotonic() < deadline, "the import does not go on"
                time.sleep(0.01)
            last = now[0]
            time.sleep(chance.random() * 0.5)  # any moment of the chunks after it
        killed()
        while not progress(admin)[1]:
            assert time.monotonic() < deadline, "the import does not end"
            time.sleep(0.05)
        found = state_of(admin, programme, delivery_id)
        truncate_all(test_database)
        expected = undisturbed(committing_app, admin, rows)
    for name, value in expected.items():
        assert found[name] == value, name


def test_rows_that_are_passed_over_are_noticed(
    committing_app: Flask, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    """The control: a checkpoint that is ahead of the rows does not end in the same state."""
    rows = 2 * CHUNK_ROWS
    with committing_app.app_context():
        expected = undisturbed(committing_app, admin, rows)
        truncate_all(test_database)
        assert undisturbed(committing_app, admin, rows, shift=100) != expected


def test_rows_are_not_taken_twice(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """The control: where a checkpoint lies behind, the keys of the tables stop the import."""
    with committing_app.app_context():
        with pytest.raises(psycopg.errors.UniqueViolation):
            undisturbed(committing_app, admin, 2 * CHUNK_ROWS, shift=-100)
        db.session.remove()

"""D9: a restored backup does not bring back who left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections
from app.rights.commands import rights_commands
from app.rights.journal import (
    BrokenJournalError,
    JournalAheadError,
    is_replayed,
    last_line,
    may_open,
    read_journal,
    write_journal,
)
from app.rights.leaving import erase_due, leave
from app.trail.operations import SYSTEM
from demo.servers import Database, postgres_binary
from tests.conftest import ROOT, Sized, environment, fresh_database
from tests.redemptions.builders import keys_of, make_citizen


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "deletions.jsonl"


def let_leave(app: Flask, citizens: list[UUID]) -> None:
    with app.app_context():
        for citizen_id in citizens:
            leave(keys=keys_of(app), citizen_id=citizen_id, actor=SYSTEM)


def test_d9_a_restore_does_not_resurrect_the_deleted(  # noqa: PLR0917 -- fixtures
    committing_app: Flask, job_app: Flask, test_database: Database, servers: dict[str, Any],
    journal: Path, tmp_path: Path, sized: Sized,
) -> None:
    people = [
        make_citizen(committing_app, tier="A", consents=("membership",)).citizen_id
        for _ in range(sized(ci=10, full=100))
    ]
    stays = make_citizen(committing_app, consents=("membership",)).citizen_id
    between = make_citizen(committing_app, consents=("membership",)).citizen_id
    let_leave(committing_app, [between])  # in the backup as left, and in no journal yet
    backup = tmp_path / "backup"
    subprocess.run(
        [postgres_binary("pg_dump"), "--format=custom", f"--file={backup}",
         test_database.admin_url],
        check=True,
    )  # fmt: skip
    later = make_citizen(committing_app, consents=("membership",)).citizen_id  # not in the backup
    let_leave(committing_app, [*people, later])
    with job_app.app_context():
        write_journal(journal)
        erase_due(limit=1_000)
    with fresh_database(servers, f"{test_database.name}_restored") as restored:
        subprocess.run(
            [postgres_binary("pg_restore"), "--exit-on-error", f"--dbname={restored.admin_url}",
             str(backup)],
            check=True,
        )  # fmt: skip
        check_restored(restored, Path(servers["keys_file"]), journal, people, stays)
    assert next(read_journal(journal)).citizen_id == between


def close(*apps: Flask) -> None:
    for app in apps:
        with app.app_context():
            close_connections()


def check_restored(
    restored: Database, keys_file: Path, journal: Path, people: list[UUID], stays: UUID
) -> None:
    variables = environment(restored, keys_file, CARD_DELETION_JOURNAL=str(journal))
    web = create_app(Settings.from_environ(variables))
    job = create_app(Settings.from_environ(
        variables | {"DATABASE_URL": restored.url("card_job")}
    ))
    with psycopg.connect(restored.admin_url, autocommit=True) as admin:
        keyed = "SELECT count(*) FROM citizen_keys WHERE citizen_id = ANY (%s)"
        assert admin.execute(keyed, (people,)).fetchone() == (len(people),)  # resurrected
        assert web.test_client().get("/readyz").status_code == 503
        check_nothing_runs(web, job, journal, restored)
        for told in (f"{len(people) + 1} left again", "0 left again"):
            result = job.test_cli_runner().invoke(rights_commands, ["replay-journal", str(journal)])
            assert (result.exit_code, result.output.strip()) == (0, told), result.exception
        assert admin.execute(keyed, (people,)).fetchone() == (0,)
        assert admin.execute(keyed, ([stays],)).fetchone() == (1,)
        status = "SELECT DISTINCT status FROM citizens WHERE citizen_id = ANY (%s)"
        assert admin.execute(status, (people,)).fetchall() == [("left",)]
        for _ in range(3):  # it changes its mind after three equal answers
            ready = web.test_client().get("/readyz")
        assert ready.status_code == 200
        with job.app_context():
            assert write_journal(journal) > 0  # who left meanwhile, now that all are known
    close(web, job)


def check_nothing_runs(web: Flask, job: Flask, journal: Path, restored: Database) -> None:
    """Neither what the backup had not journaled nor a new leaving opens it, or is written."""
    before = journal.read_bytes()
    let_leave(web, [make_citizen(web, consents=("membership",)).citizen_id])
    with job.app_context(), pytest.raises(JournalAheadError):
        write_journal(journal)
    assert journal.read_bytes() == before
    assert web.test_client().get("/readyz").status_code == 503
    variables = {
        **os.environ, **environment(restored, keys_file_of(job), CARD_JOB_POLL_MS="20"),
        "CARD_DELETION_JOURNAL": str(journal), "DATABASE_URL": restored.url("card_job"),
    }  # fmt: skip
    with (journal.parent / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "worker"], cwd=ROOT, env=variables,
            stdout=log, stderr=log,
        )
        try:
            wait_for(lambda: b"the worker waits" in (journal.parent / "worker.log").read_bytes())
        finally:
            worker.kill()
            worker.wait()
    with psycopg.connect(restored.admin_url) as admin:
        workers = admin.execute("SELECT count(*) FROM procrastinate_workers").fetchone()
    assert (journal.read_bytes(), workers) == (before, (0,))


def keys_file_of(app: Flask) -> Path:
    return Path(app.extensions["card_settings"].keys_file)


def wait_for(happened: Callable[[], bool], *, seconds: float = 60) -> None:
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < seconds
        time.sleep(0.05)


def test_d9_a_journal_that_is_not_the_written_one_opens_nothing(
    committing_app: Flask, job_app: Flask, journal: Path, tmp_path: Path
) -> None:
    let_leave(committing_app, [make_citizen(committing_app).citizen_id for _ in range(3)])
    other = tmp_path / "other"
    with job_app.app_context():
        assert may_open(journal)  # nobody is in it yet
        write_journal(journal)
        assert may_open(journal)
        whole = journal.read_bytes()
        for damaged in (whole[:-300], whole.replace(b'"left_at":"2', b'"left_at":"1'), b""):
            other.write_bytes(damaged)
            assert not may_open(other)
        assert not may_open(tmp_path / "gone")
        journal.write_bytes(whole + b'{"number":4,"citi')  # its writer died: it was never noted
        assert may_open(journal)


def test_what_was_written_before_its_writer_died_is_noted(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], journal: Path
) -> None:
    let_leave(committing_app, [make_citizen(committing_app).citizen_id])
    with job_app.app_context():
        write_journal(journal)
        admin.execute("DELETE FROM journal_ends")
        assert may_open(journal)
        assert write_journal(journal) == 0
    end = admin.execute("SELECT number, end_bytes FROM journal_ends").fetchone()
    assert end == (1, journal.stat().st_size)


def test_a_torn_line_is_written_anew(
    committing_app: Flask, job_app: Flask, journal: Path
) -> None:
    first, second = (make_citizen(committing_app).citizen_id for _ in range(2))
    let_leave(committing_app, [first])
    with job_app.app_context():
        write_journal(journal)
        whole = journal.read_bytes()
        journal.write_bytes(whole + b'{"number":2,"citi')
        let_leave(committing_app, [second])
        write_journal(journal)
    assert [line.citizen_id for line in read_journal(journal)] == [first, second]
    assert journal.read_bytes().startswith(whole)


@pytest.mark.parametrize("damage", ["changed", "taken away", "cut"])
def test_a_damaged_journal_is_seen_and_nothing_opens(
    committing_app: Flask, job_app: Flask, journal: Path, damage: str
) -> None:
    let_leave(committing_app, [make_citizen(committing_app).citizen_id for _ in range(3)])
    with job_app.app_context():
        write_journal(journal)
        assert is_replayed(journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[1] = {
        "changed": lines[1].replace(b'"left_at":"2', b'"left_at":"1'), "taken away": b"",
        "cut": lines[1][:40] + b"\n",
    }[damage]
    journal.write_bytes(b"".join(lines))
    with pytest.raises(BrokenJournalError):
        list(read_journal(journal))
    journal.write_bytes(b"".join(lines)[:-20])
    with pytest.raises(BrokenJournalError):
        last_line(journal)

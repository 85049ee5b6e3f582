"""D9: a restored backup does not bring back who left."""

from __future__ import annotations

import subprocess
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
    is_replayed,
    last_line,
    read_journal,
    write_journal,
)
from app.rights.leaving import erase_due, leave
from app.trail.operations import SYSTEM
from demo.servers import Database, postgres_binary
from tests.conftest import Sized, environment, fresh_database
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
    close(web, job)


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

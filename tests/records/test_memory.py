"""However long a file is, who takes it holds little of it in memory."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.records.operations import register_source
from demo.load import prepare_programme
from demo.population import DELIVERED_ON, id_number, populate
from demo.servers import Database
from tests.conftest import ROOT, Sized, environment
from tests.members.api import keys_of
from tests.records.programme import HOURS, header

RESIDENT_MAX_BYTES = 400_000_000
ROWS_PER_MEMBER = 20
SEED = 11
REFUSED_EVERY = 50
STRANGER_EVERY = 40


@pytest.mark.timeout(3600)
def test_a_million_rows_are_taken_in_less_than_400_megabytes(
    committing_app: Flask, test_database: Database, servers: dict[str, Any], tmp_path: Path,
    sized: Sized,
) -> None:
    rows = sized(ci=20_000, full=1_000_000)
    path = tmp_path / "hours.csv"
    write_rows(path, rows)
    with committing_app.app_context():
        source_id = prepare(committing_app, test_database, rows // ROWS_PER_MEMBER)
    variables = environment(
        test_database, Path(servers["keys_file"]), DATABASE_URL=test_database.url("card_job")
    )
    resident = taken_by_a_process(path, source_id, variables)
    with psycopg.connect(test_database.admin_url) as connection:
        found = connection.execute(
            "SELECT status, found_count, accepted_count > 0.9 * found_count, refused_count > 0,"
            " dropped_count > 0 FROM deliveries"
        ).fetchall()
    assert found == [("processed", rows, True, True, True)]
    assert resident < RESIDENT_MAX_BYTES, f"{resident // 1_000_000} MB"


# A child counts what its parent held when it was started: this one is small.
MEASURED = """
import os, sys
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(usage.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def taken_by_a_process(path: Path, source_id: UUID, variables: Mapping[str, str]) -> int:
    """Import a file on the command line; the most bytes that the process held in memory."""
    command = [
        sys.executable, "-c", MEASURED,
        sys.executable, "-m", "flask", "--app", "wsgi", "records", "import", str(path),
        "--type", HOURS, "--on", DELIVERED_ON.isoformat(), "--source", str(source_id),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


def prepare(app: Flask, database: Database, members: int) -> UUID:
    prepare_programme()
    source_id = new_id()
    register_source(
        keys=keys_of(app), source_id=source_id, unit=f"测试单位 {source_id}", record_types=[HOURS]
    )
    populate(
        admin_url=database.admin_url, keys=keys_of(app), members=members, records_per_member=0,
        seed=SEED,
    )
    return source_id


def write_rows(path: Path, rows: int) -> None:
    """Good rows of the members of a population, and among them wrong ones and strangers'."""
    members = rows // ROWS_PER_MEMBER
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header(HOURS))
        for at in range(rows):
            number = at % members + (members if at % STRANGER_EVERY == 0 else 0)
            hours = "x" if at % REFUSED_EVERY == 1 else f"{at % 80 / 10 + 0.1:.1f}"
            writer.writerow((
                f"ZY-{at}", 1, "有效", id_number(seed=SEED, number=number),
                DELIVERED_ON - timedelta(days=at * 7 % 360), hours, "河道清洁",
            ))

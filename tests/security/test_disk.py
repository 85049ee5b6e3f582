"""What departments deliver and get back never touches a disk outside of the database.

The process that reads Excel files can write no file at all: `RLIMIT_FSIZE` in its module,
app/records/excel_reader.py.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import openpyxl
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.records.working import work_off
from app.scoring.operations import delivery_worker
from tests.members.api import bearer, keys_of, staff_tokens
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, build_programme, csv_file, header

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SPOOLED_BYTES = 600_000  # larger than what werkzeug keeps in memory by itself
_watched: list[list[str]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watched:
        path, _mode, flags = arguments
        is_file = not isinstance(path, int) and str(path) != os.devnull  # no pipe to a process
        if is_file and isinstance(flags, int) and flags & WRITING:
            _watched[-1].append(str(path))


sys.addaudithook(_note)  # for good: Python takes none away


@contextmanager
def opened_for_writing() -> Iterator[list[str]]:
    found: list[str] = []
    _watched.append(found)
    try:
        yield found
    finally:
        _watched.pop()


def test_the_watch_sees_files() -> None:
    with opened_for_writing() as found, tempfile.TemporaryFile() as file:
        file.write(b"x")
    assert found


def as_excel(rows: list[list[str]]) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(content)
    return content.getvalue()


def test_files_and_their_refused_rows_touch_no_disk(app: Flask, client: FlaskClient) -> None:
    programme = build_programme(app)
    source = make_source(client, bearer(staff_tokens(app, client)["access_token"]), HOURS)
    rows = [programme.hours(f"ZY-{number}", "x", activity="清洁" * 100) for number in range(1_000)]
    csv, excel = csv_file(HOURS, *rows), as_excel([header(HOURS), *rows])
    assert len(csv) > SPOOLED_BYTES
    with opened_for_writing() as found:
        for content, encoding in ((csv, "utf-8"), (excel, "xlsx")):
            delivery_id = new_id()
            answer = upload(
                client, source, content, delivery_id=delivery_id, record_type=HOURS,
                encoding=encoding,
            )
            assert answer.status_code in {200, 202}
            list(work_off(worker=delivery_worker(keys=keys_of(app))))
            for kind in ("csv", "xlsx"):
                url = f"/api/v1/deliveries/{delivery_id}/refusals.{kind}"
                assert client.get(url, headers=source).status_code == 200
    assert found == []

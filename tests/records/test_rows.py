"""Rows as JSON end in the same report as the same rows in a file."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.kernel.database import db
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.records.operations import DeliveryRequest, import_register
from app.records.queries import DeliveryReport
from app.records.reading import JSON_MAX_BYTES, JSON_ROWS_MAX, Encoding
from app.records.uploads import Upload
from demo.load import FOLDER
from tests.members.api import bearer, staff_tokens
from tests.records.api import make_source
from tests.records.programme import (
    HOURS,
    Programme,
    build_programme,
    csv_file,
    header,
    refusals,
)

Found = tuple[dict[str, Any], dict[int, str]]
OWN = {
    "delivery_id", "seq", "file_name", "encoding", "sha256", "size_bytes",
    "created_at", "finished_at",
}  # fmt: skip
SAMPLE_ROWS = 600


def post_rows(
    client: FlaskClient, headers: dict[str, str], rows: Any, **changes: Any
) -> TestResponse:
    body = {
        "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
        "rows": rows, **changes,
    }  # fmt: skip
    return client.post("/api/v1/deliveries/rows", json=body, headers=headers)


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


@pytest.fixture
def source(app: Flask, client: FlaskClient, programme: Programme) -> dict[str, str]:
    return make_source(client, bearer(staff_tokens(app, client)["access_token"]), HOURS, "honours")


def found_in(report: DeliveryReport) -> Found:
    """What a report says but for the names of the delivery, and the refused rows."""
    told = {name: value for name, value in vars(report).items() if name not in OWN}
    return told, refusals(report)


def undone(programme: Programme, *args: Any, **kwargs: Any) -> Found:
    """What a delivery comes to, taken back afterwards."""
    connection: Any = db.session().get_bind()
    with connection.begin_nested() as savepoint:
        found = found_in(programme.deliver(*args, **kwargs))
        db.session.remove()
        savepoint.rollback()
    return found


def load_register(keys: KeyProvider) -> None:
    request = DeliveryRequest(
        delivery_id=new_id(), record_type="members", delivered_on=date(2026, 10, 31),
        encoding=Encoding.UTF_8, file_name="members.csv", staff_id=new_id(),
    )  # fmt: skip
    with (FOLDER / "members.csv").open("rb") as file:
        import_register(keys=keys, request=request, upload=Upload.of(keys, file))


def table_of(path: Path) -> list[list[str]]:
    """The first rows of a file that fit its header, with the header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    fitting = [row for row in rows if len(row) == len(rows[0])]
    return [*fitting[: SAMPLE_ROWS + 1]]


@pytest.mark.parametrize("record_type", ["civility", "good_deeds", "charity_donations"])
def test_departments_rows_end_in_the_same_report(programme: Programme, record_type: str) -> None:
    load_register(programme.keys)
    names, *rows = table_of(FOLDER / f"{record_type}.csv")
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    objects = [
        {name: cell or None for name, cell in zip(names, row, strict=True)} for row in rows
    ]
    on = date(2026, 10, 31)
    as_file = undone(programme, record_type, content=text.getvalue().encode(), on=on)
    as_json = undone(
        programme, record_type, content=orjson.dumps(objects), encoding=Encoding.JSON, on=on
    )
    assert as_file == as_json
    counts, refused = as_file
    assert counts["accepted_count"] > 100
    assert len(set(refused.values())) >= 8


def test_numbers_read_like_number_cells_of_excel(programme: Programme) -> None:
    person = int(programme.people[0].id_number.replace("X", "1"))
    values: list[list[Any]] = [
        ["Z-1", 1, "有效", person, "2026-05-02", 2, "a"],  # an id in a number has lost digits
        ["Z-2", 1, "有效", programme.people[0].id_number, "2026-05-02", 2.50, "a"],
        ["Z-3", 1.0, "有效", programme.people[0].id_number, "2026-05-02", 0.1, "a"],
        ["Z-4", 1.5, "有效", programme.people[0].id_number, "2026-05-02", 2, "a"],
        ["Z-5", 1, "有效", programme.people[0].id_number, 46082, 2, "a"],
        ["Z-6", 1, "有效", programme.people[0].id_number, "2026-05-02", 1e-7, "a"],
        [60000000000000001, 1, "有效", programme.people[0].id_number, "2026-05-02", 3, True],
        ["Z-8", 1, "有效", programme.people[0].id_number, "2026-05-02", 3, "=1+1"],
        [None] * 7,
        ["Z-9", 1, "有效", programme.people[0].id_number, "2026-05-02", None, "a"],
    ]
    book = openpyxl.Workbook()
    for row in [header(HOURS), *values]:
        book.worksheets[0].append(row)
    book.worksheets[0]["G9"].data_type = "s"  # a text that looks like a formula
    content = io.BytesIO()
    book.save(content)
    objects = [dict(zip(header(HOURS), row, strict=True)) for row in values]
    as_file = undone(programme, HOURS, content=content.getvalue(), encoding=Encoding.XLSX)
    as_json = undone(programme, HOURS, content=orjson.dumps(objects), encoding=Encoding.JSON)
    assert as_file == as_json
    assert as_json[1] == {
        2: "bad_id_format", 5: "bad_version", 6: "bad_date", 7: "out_of_range",
        9: "formula_cell", 11: "missing_field",
    }  # fmt: skip
    assert as_json[0]["blank_count"] == 1


def test_rows_over_http(
    client: FlaskClient, programme: Programme, source: dict[str, str]
) -> None:
    names = header(HOURS)
    rows = [
        dict(zip(names, programme.hours("ZY-1", "2"), strict=True)),
        dict(zip(names, programme.hours("ZY-2", "25"), strict=True)),
        {"序号": 3},
    ]
    body = {"delivery_id": str(new_id())}
    answer = post_rows(client, source, rows, **body)
    report = answer.get_json()
    assert answer.status_code == 200, report
    assert (report["status"], report["encoding"], report["file_name"]) == (
        "processed", "json", "rows.json",
    )  # fmt: skip
    assert (report["row_count"], report["accepted_count"]) == (3, 1)
    listed = client.get(f"/api/v1/deliveries/{body['delivery_id']}/refusals", headers=source)
    assert listed.get_json()["refusals"] == [
        {"row_number": 3, "reason": "out_of_range"}, {"row_number": 4, "reason": "missing_field"},
    ]  # fmt: skip
    again = post_rows(client, source, rows, **body)
    assert again.get_json() == report | {"replayed": True}
    other = post_rows(client, source, rows[:1], **body)
    assert (other.status_code, other.get_json()["code"]) == (422, "delivery_id_reused")


@pytest.mark.parametrize(("change", "reason"), [
    ({"经办人": "x"}, "unknown_column"), ({"血型": "x"}, "forbidden_field"),
    ({" ": "x"}, "bad_header"), ({"服务 时长": "2"}, "bad_header"), ({}, "missing_column"),
])  # fmt: skip
def test_keys_are_a_header(
    client: FlaskClient, source: dict[str, str], change: dict[str, str], reason: str
) -> None:
    row = dict.fromkeys(header(HOURS), "x")
    if not change:
        del row["活动名称"]
    # A key in the middle: an empty name at the end of a header is no column.
    row = {"记录编号": "x", **change, **row}
    report = post_rows(client, source, [row, {}]).get_json()
    assert (report["status"], report["file_reason"], report["row_count"]) == (
        "refused", reason, 0,
    )  # fmt: skip


@pytest.mark.parametrize(("rows", "status", "code"), [
    ([], 422, "invalid_request"),
    (["x"], 422, "invalid_request"),
    ([{"服务时长": [1]}], 422, "invalid_request"),
    ([{"服务时长": {"a": 1}}], 422, "invalid_request"),
    ("x", 422, "invalid_request"),
    ([{"a": 1}] * (JSON_ROWS_MAX + 1), 422, "invalid_request"),
    ([{"a": "x" * JSON_MAX_BYTES}], 413, "body_too_large"),
    ([{"a": "\0"}], 400, "unreadable_request"),
])  # fmt: skip
def test_rows_that_are_refused_at_the_door(
    client: FlaskClient, source: dict[str, str], rows: Any, status: int, code: str
) -> None:
    answer = post_rows(client, source, rows)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)


def test_rows_of_too_many_columns_are_refused_whole(
    client: FlaskClient, source: dict[str, str]
) -> None:
    report = post_rows(client, source, [{f"列{at}": 1 for at in range(101)}]).get_json()
    assert (report["status"], report["file_reason"]) == ("refused", "too_large")


def test_who_may_send_which_rows(client: FlaskClient, source: dict[str, str]) -> None:
    row = [dict.fromkeys(header("civility"), "x")]
    assert post_rows(client, {}, row).status_code == 401
    for record_type, status in (("civility", 403), ("members", 403), ("horoscopes", 422)):
        assert post_rows(client, source, row, record_type=record_type).status_code == status


def test_no_file_is_json(client: FlaskClient, programme: Programme, source: dict[str, str]) -> None:
    form = {
        "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
        "encoding": "json", "file": (io.BytesIO(csv_file(HOURS)), "a.csv"),
    }  # fmt: skip
    answer = client.post("/api/v1/deliveries", data=form, headers=source)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request")
    assert programme.sent == []

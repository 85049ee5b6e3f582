"""What a source may deliver in one day: counted once, refused at the door, changed by operators."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import db
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.records.uploads import Upload
from tests.members.api import bearer, let_show_tokens, staff_tokens
from tests.records.api import upload
from tests.records.programme import HOURS, build_programme, csv_file, header

CITY = ZoneInfo("Asia/Shanghai")


@dataclass
class Department:
    """A source machine and an operator who says how much it may send."""

    client: FlaskClient
    source: dict[str, str]
    operator: dict[str, str]
    source_id: UUID

    def limit(self, **quota: int) -> Any:
        body = {"deliveries_per_day": 100, "bytes_per_day": 10**6, "rows_per_day": 1000, **quota}
        url = f"/api/v1/sources/{self.source_id}/quota"
        return self.client.post(url, json=body, headers=self.operator)

    def used(self) -> tuple[int, int, int]:
        url = f"/api/v1/sources/{self.source_id}/quota"
        now = self.client.get(url, headers=self.operator).get_json()
        return now["delivery_count"], now["byte_count"], now["row_count"]

    def send(self, content: bytes, **fields: Any) -> Any:
        told = {"record_type": HOURS, **fields}
        return upload(self.client, self.source, content, **told)

    def send_rows(self, *rows: dict[str, Any]) -> Any:
        body = {
            "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
            "rows": list(rows),
        }  # fmt: skip
        return self.client.post("/api/v1/deliveries/rows", json=body, headers=self.source)


@pytest.fixture
def department(app: Flask, client: FlaskClient) -> Department:
    build_programme(app)
    operator = bearer(staff_tokens(app, client, "operator")["access_token"])
    body = {"source_id": str(new_id()), "unit": f"单位 {new_id()}", "record_types": [HOURS]}
    made = client.post("/api/v1/sources", json=body, headers=operator).get_json()
    let_show_tokens(made["source_id"])
    shown = {name: made[name] for name in ("credential_id", "secret")}
    token = client.post("/api/v1/sources/token", json=shown).get_json()["access_token"]
    return Department(client, bearer(token), operator, UUID(made["source_id"]))


def rows(count: int) -> bytes:
    return csv_file(HOURS, *([["x"] * len(header(HOURS))] * count))


def assert_refused(answer: Any) -> None:
    now = datetime.now(CITY)
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), CITY)
    left = (midnight - now).total_seconds() % 86_400
    assert (answer.status_code, answer.get_json()["code"]) == (429, "delivery_quota_exceeded")
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 86_400
    assert min(abs(wait - left), 86_400 - abs(wait - left)) < 60


def test_deliveries_are_counted_once_and_refused_at_the_door(department: Department) -> None:
    assert department.limit(deliveries_per_day=2).status_code == 200
    first = new_id()
    for _ in range(3):
        assert department.send(rows(1), delivery_id=first).status_code == 200
    assert department.used() == (1, len(rows(1)), 1)
    assert department.send(rows(1)).status_code == 200
    assert_refused(department.send(rows(1)))
    assert_refused(department.send_rows({"身份证号": "x"}))
    assert department.send(rows(1), delivery_id=first).status_code == 200  # told again
    assert department.used()[0] == 2
    department.limit(deliveries_per_day=3)
    assert department.send(rows(1)).status_code == 200


def test_what_is_refused_for_another_reason_does_not_count(department: Department) -> None:
    assert department.send(rows(1), delivered_on="2026-06-12").status_code == 200
    assert department.send(rows(1), delivered_on="2026-06-11").status_code == 409
    assert department.send(rows(1), record_type="donations").status_code in {403, 422}
    assert department.used()[0] == 1


def test_bytes_are_counted_to_the_last_one(department: Department) -> None:
    size = len(rows(2))
    department.limit(bytes_per_day=2 * size)
    assert department.send(rows(2)).status_code == 200
    assert_refused(department.send(rows(2) + b"\n"))
    assert department.send(rows(2)).status_code == 200
    assert_refused(department.send(b"x"))
    assert department.used() == (2, 2 * size, 4)


def test_rows_of_files_and_of_json_share_a_day(department: Department) -> None:
    department.limit(rows_per_day=5)
    assert department.send(rows(3)).status_code == 200
    one = {"身份证号": "x"}
    assert_refused(department.send_rows(one, one, one))
    assert department.send_rows(one, one).status_code == 200
    assert_refused(department.send_rows(one))
    assert department.used()[2] == 5


def test_rows_of_excel_count_when_they_are_found(department: Department) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in [header(HOURS), *([["x"]] * 3)]:
        book.active.append(line)
    content = io.BytesIO()
    book.save(content)
    department.limit(rows_per_day=5)
    first = department.send(content.getvalue(), encoding="xlsx").get_json()
    assert (first["status"], department.used()[2]) == ("processed", 3)
    second = department.send(content.getvalue(), encoding="xlsx").get_json()
    assert (second["status"], second["file_reason"]) == ("refused", "too_many_rows_today")
    assert department.used()[2] == 3
    department.limit(rows_per_day=3)
    assert_refused(department.send(content.getvalue(), encoding="xlsx"))


def test_a_day_begins_at_midnight_in_the_city(department: Department) -> None:
    department.limit(deliveries_per_day=1)
    with department.client.application.app_context():
        db.session.execute(
            text(
                "INSERT INTO source_days"
                " SELECT :me, (now() AT TIME ZONE 'Asia/Shanghai')::date - 1, 1, 0, 0"
            ),
            {"me": department.source_id},
        )
    assert department.used()[0] == 0
    assert department.send(rows(1)).status_code == 200
    assert_refused(department.send(rows(1)))


def test_only_operators_change_quotas_of_sources_that_exist(department: Department) -> None:
    url = f"/api/v1/sources/{department.source_id}/quota"
    assert department.client.get(url, headers=department.source).status_code == 403
    for quota in ({"deliveries_per_day": -1}, {"rows_per_day": 10**11}, {"more": 1}):
        assert department.limit(**quota).status_code == 422
    department.source_id = new_id()
    assert department.limit().status_code == 404


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0), (b"a", 0), (b"a\n", 0), (b"a\nb", 1), (b"a\nb\n", 1), (b"a\r\nb\r\n", 1),
        (b"a\rb\rc", 2), (b"a\r\nb\nc\r\r", 3),
    ],
)
def test_lines_are_counted_however_they_arrive(app: Flask, content: bytes, lines: int) -> None:
    keys: KeyProvider = app.extensions["card_keys"]
    for step in (1, 2, 100):
        made = Upload(keys)
        for at in range(0, len(content), step):
            made.write(content[at : at + step])
        assert made.line_count == lines

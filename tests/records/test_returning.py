"""Refused rows go back to who sent them, and to nobody else; formulas in them are text (S30)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import openpyxl
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis.strategies import text as texts
from sqlalchemy import text

from app.kernel.database import db, reading
from app.kernel.ids import new_id
from app.kernel.tables import CUT_OFF, defused, undefused, write_xlsx
from app.records import returning
from app.records.catalogue import load_catalogue
from app.records.cells import is_formula
from app.records.reading import RETURN_COLUMNS
from app.records.returning import (
    MORE,
    MORE_TEXT,
    NOT_IN_EXCEL,
    NOT_KEPT,
    REASON_TEXTS,
    Returned,
    prune_returned,
    returned_csv,
    returned_xlsx,
)
from app.records.steps import Reason
from tests.members.api import bearer, staff_tokens
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, Programme, build_programme, csv_file, header, refusals

DANGEROUS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1", "＝1+1", "-"]


@dataclass
class Sent:
    client: FlaskClient
    programme: Programme
    source: dict[str, str]
    other: dict[str, str]
    operator: dict[str, str]

    def send(self, content: bytes, **fields: Any) -> UUID:
        delivery_id = new_id()
        answer = upload(
            self.client, self.source, content, delivery_id=delivery_id, record_type=HOURS, **fields
        )
        assert answer.status_code == 200, answer.get_json()
        return delivery_id

    def get(self, delivery_id: UUID, kind: str = "csv", **headers: Any) -> Any:
        url = f"/api/v1/deliveries/{delivery_id}/refusals.{kind}"
        return self.client.get(url, headers=headers.get("headers", self.source))


@pytest.fixture
def sent(app: Flask, client: FlaskClient) -> Sent:
    programme = build_programme(app)
    operator = bearer(staff_tokens(app, client)["access_token"])
    source, other = (make_source(client, operator, HOURS) for _ in range(2))
    return Sent(client, programme, source, other, operator)


def parsed(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_rows_go_back_and_come_again_mended(sent: Sent) -> None:
    programme = sent.programme
    content = csv_file(
        HOURS, programme.hours("ZY-1", "2"), programme.hours("ZY-2", "x"),
        programme.hours("ZY-3", "25", activity="A型血"), programme.hours("ZY-4", "25"),
        programme.hours("ZY-5", "2", person="110101199003070015")[:4],
    )  # fmt: skip
    delivery_id = sent.send(content)
    answer = sent.get(delivery_id)
    assert (answer.status_code, answer.content_type) == (200, "text/csv; charset=utf-8")
    names, *rows = parsed(answer.data)
    assert names == [*RETURN_COLUMNS, *header(HOURS)]
    told = [(row[0], row[1], len(row)) for row in rows]
    assert told == [
        ("3", "bad_number", 10), ("4", "forbidden_content", 3), ("5", "out_of_range", 10),
        ("6", "column_count", 7),
    ]  # fmt: skip
    assert [row[2].endswith(NOT_KEPT) for row in rows] == [False, True, False, False]
    assert "A型血" not in answer.data.decode("utf-8-sig")
    again = sent.send(answer.data)  # unmended: the same reasons, row by row
    found = {row["row_number"]: row["reason"] for row in sent.client.get(
        f"/api/v1/deliveries/{again}/refusals", headers=sent.source
    ).get_json()["refusals"]}
    assert found == {2: "bad_number", 4: "out_of_range", 5: "column_count"}  # 3 is blank
    mended = answer.data.replace(b",x,", b",3,").replace(b",25,", b",4,")
    report = sent.client.get(f"/api/v1/deliveries/{sent.send(mended)}", headers=sent.source)
    assert report.get_json()["accepted_count"] == 2


def test_excel_keeps_kinds_of_cells(sent: Sent) -> None:
    book = openpyxl.Workbook()
    person = sent.programme.people[0].id_number
    sheet = book.worksheets[0]
    for row in (
        header(HOURS), ["Z-1", 1, "有效", 332525196410257728, "2026-05-02", 2, "a"],
        ["Z-2", 1, "有效", person, "2026-05-02", 24.5, "=1+1"],
        ["Z-3", 1, "有效", person, "2026-05-02", 24.5, "ok"],
    ):
        sheet.append(row)
    made = io.BytesIO()
    book.save(made)
    delivery_id = sent.send(made.getvalue(), encoding="xlsx")
    answer = sent.get(delivery_id, "xlsx")
    reasons = {2: "bad_id_format", 3: "formula_cell", 4: "out_of_range"}
    for again in (
        sent.send(answer.data, encoding="xlsx"), sent.send(sent.get(delivery_id).data),
    ):
        found = {row["row_number"]: row["reason"] for row in sent.client.get(
            f"/api/v1/deliveries/{again}/refusals", headers=sent.source
        ).get_json()["refusals"]}
        assert found == reasons


def test_only_who_sent_them(sent: Sent) -> None:
    delivery_id = sent.send(csv_file(HOURS, sent.programme.hours("ZY-1", "x")))
    for kind in ("csv", "xlsx"):
        assert sent.get(delivery_id, kind).status_code == 200
        foreign, missing = sent.get(delivery_id, kind, headers=sent.other), sent.get(new_id(), kind)
        assert (foreign.status_code, foreign.data) == (404, missing.data)
        assert sent.get(delivery_id, kind, headers=sent.operator).status_code == 403
        assert sent.get(delivery_id, kind, headers={}).status_code == 401


def test_what_is_never_kept(sent: Sent) -> None:
    programme = sent.programme
    stranger = "330702198503120412"
    dropped = sent.send(csv_file(HOURS, programme.hours("ZY-1", "x", person=stranger)))
    whole = sent.send(csv_file(HOURS, programme.hours("ZY-2", "x")).replace(
        "活动名称".encode(), "血型".encode()
    ))
    # Refused for another reason before its forbidden word was looked for.
    early = sent.send(csv_file(HOURS, programme.hours("ZY-3", "2", person="", activity="血 型")))
    rows_of_strangers = sent.send(b"\n".join([
        csv_file(HOURS), *(line.encode() for line in (
            f"合计,,,{stranger}", f"ZY-4,1,有效,{stranger},2026-05-02,2", f"ZY-5,,,'{stranger}",
            f'ZY-6,1,有效,{stranger},2026-05-02,2,"植"树',
            f"ZY-7,x,有效,{stranger[:17]},,2,陪{stranger}",
        )),
    ]))
    other = programme.people[1].id_number
    told = sent.send(csv_file(HOURS, programme.hours("ZY-8", "2", activity=f"陪{other}")))
    for delivery_id in (dropped, whole, early, rows_of_strangers, told):
        answer = sent.get(delivery_id)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "refused_rows_gone")
    with reading() as session:
        assert session.execute(text("SELECT count(*) FROM returned_rows")).scalar_one() == 0


def test_the_row_of_a_member_is_kept_whatever_is_wrong_with_it(sent: Sent) -> None:
    programme = sent.programme
    late = sent.send(csv_file(
        HOURS, ["合计", *programme.hours("", "2")[1:]], programme.hours("ZY-1", "2")[:5],
    ), delivered_on="2026-01-04")  # fmt: skip
    assert sent.get(late).status_code == 404  # the day before they joined
    delivery_id = sent.send(csv_file(
        HOURS, ["合计", *programme.hours("", "2")[1:]], programme.hours("ZY-1", "2")[:5],
    ) + ",".join(programme.hours("ZY-2", "2", activity='"植"树')).encode())  # fmt: skip
    _, *rows = parsed(sent.get(delivery_id).data)
    assert [(row[0], row[1], len(row)) for row in rows] == [
        ("2", "total_row", 10), ("3", "column_count", 8), ("4", "column_count", 4),
    ]  # fmt: skip
    for kind, encoding in (("csv", "utf-8"), ("xlsx", "xlsx")):
        again = sent.send(sent.get(delivery_id, kind).data, encoding=encoding)
        report = sent.client.get(f"/api/v1/deliveries/{again}", headers=sent.source).get_json()
        assert (report["row_count"], report["refused_count"]) == (3, 3)


def test_what_is_missing_is_told(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "ROWS_MAX", 2)
    rows = [sent.programme.hours(f"ZY-{at}", "x") for at in range(5)]
    delivery_id = sent.send(csv_file(HOURS, *rows))
    found, after_row = [], 0
    for left in (3, 1, 0):
        _, *lines = parsed(sent.get(delivery_id, f"csv?after_row={after_row}").data)
        sheet = openpyxl.load_workbook(
            io.BytesIO(sent.get(delivery_id, f"xlsx?after_row={after_row}").data)
        ).worksheets[0]
        assert sheet.max_row == len(lines) + 1
        if left:
            *lines, last = lines
            after_row = int(lines[-1][0])
            assert last == ["", MORE, MORE_TEXT.format(count=left, last=after_row)]
            assert [cell.value for cell in list(sheet.rows)[-1]][1:3] == last[1:]
        found += lines
    assert [line[0] for line in found] == ["2", "3", "4", "5", "6"]
    again = sent.send(sent.get(delivery_id).data)
    report = sent.client.get(f"/api/v1/deliveries/{again}", headers=sent.source).get_json()
    assert (report["refused_count"], report["blank_count"]) == (2, 1)


def test_a_text_that_excel_cannot_hold_is_given_as_csv_alone(sent: Sent) -> None:
    long = "植" * 40_000
    delivery_id = sent.send(csv_file(
        HOURS, sent.programme.hours("ZY-1", "x", activity=long), sent.programme.hours("ZY-2", "x"),
    ))
    _, first, second = parsed(sent.get(delivery_id).data)
    assert (first[-1], len(second)) == (long, 10)
    sheet = openpyxl.load_workbook(io.BytesIO(sent.get(delivery_id, "xlsx").data)).worksheets[0]
    cells = [[cell.value for cell in row] for row in sheet.rows]
    assert cells[1][2:] == [REASON_TEXTS[Reason.BAD_NUMBER] + NOT_IN_EXCEL, *[None] * 7]
    assert cells[2][3:] == second[3:]


@pytest.mark.parametrize("long", ["植" * 32_768, "𬱖" * 16_384, "a" * 1_000_000])
def test_a_cell_that_was_cut_says_so(long: str) -> None:
    content = write_xlsx([["a", long, long[: len(long) // 40]]], sheet_name="a")
    (row,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].rows
    _, cut, whole = (str(cell.value) for cell in row)
    assert whole == long[: len(long) // 40]
    assert cut.endswith(CUT_OFF)
    assert long.startswith(cut.removesuffix(CUT_OFF))
    assert 32_760 < len(cut.encode("utf-16-le")) // 2 <= 32_767


def test_they_are_sealed_and_end(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with committing_app.app_context():
        programme = build_programme(committing_app)
        report = programme.deliver(HOURS, programme.hours("ZY-77", "x"))
        db.session.remove()
    assert refusals_of(committing_app, report) == {2: "bad_number"}
    (kept,) = admin.execute("SELECT cells_sealed FROM returned_rows").fetchall()
    stored = bytes(kept[0])
    assert b"ZY-77" not in stored
    assert programme.people[0].id_number.encode() not in stored
    with job_app.app_context():
        assert prune_returned() == 0
        admin.execute("UPDATE delivery_returns SET created_at = now() - interval '30 days'")
        assert prune_returned() == 1
    assert admin.execute("SELECT count(*) FROM returned_rows").fetchone() == (0,)


def refusals_of(app: Flask, report: Any) -> dict[int, str]:
    with app.app_context():
        return refusals(report)


@pytest.mark.parametrize("cell", DANGEROUS)
def test_no_cell_is_a_formula(cell: str) -> None:
    """Bytes are looked at: LibreOffice is not part of this machine."""
    returned = Returned(header(HOURS), [(2, "missing_field", [cell] * 7)])
    _, (_, _, _, *cells) = parsed(returned_csv(returned))
    assert cells == [f"'{cell}"] * 7
    assert not any(is_formula(one) for one in cells)
    book = openpyxl.load_workbook(io.BytesIO(returned_xlsx(returned)))
    row = next(iter(book.worksheets[0].iter_rows(min_row=2)))
    assert [one.data_type for one in row[3:]] == ["s"] * 7
    assert all(one.quotePrefix for one in row[3:])


def test_a_formula_that_is_not_mended_is_refused_again(sent: Sent) -> None:
    """The apostrophe that kept it from being calculated does not make it a text."""
    programme = sent.programme
    activities = ["=1+1", "\u200b@SUM(A1)", "+86 138", "-x", "'=1+1", "''=1"]
    content = csv_file(HOURS, *(
        programme.hours(f"ZY-{at}", "25" if activity[0] == "'" else "2", activity=activity)
        for at, activity in enumerate(activities)
    ))
    first = sent.send(content)
    expected = dict(enumerate([*["formula_cell"] * 4, *["out_of_range"] * 2], start=2))
    for kind, encoding in (("csv", "utf-8"), ("xlsx", "xlsx")):
        returned = sent.get(first, kind).data
        again = sent.send(returned, encoding=encoding)
        found = {row["row_number"]: row["reason"] for row in sent.client.get(
            f"/api/v1/deliveries/{again}/refusals", headers=sent.source
        ).get_json()["refusals"]}
        assert found == expected, kind
        assert {row[-1] for row in parsed(sent.get(again).data)[1:]} == {
            f"'{activity}" for activity in activities
        }


def test_an_apostrophe_of_a_first_delivery_is_a_text(sent: Sent) -> None:
    row = sent.programme.hours("ZY-1", "2", activity="'=1+1")
    report = sent.client.get(
        f"/api/v1/deliveries/{sent.send(csv_file(HOURS, row))}", headers=sent.source
    )
    assert report.get_json()["accepted_count"] == 1


@given(texts(alphabet="'=+-@\t\r\n \u3000\u200b＝a1", max_size=6))
def test_what_is_given_back_is_read_as_it_stood(cell: str) -> None:
    assert undefused(defused(cell)) == cell


def test_plain_cells_stay_as_they_are() -> None:
    for cell in ("", "2", "河道清洁", "a=b", "2026-05-02", "3-1"):
        assert defused(cell) == cell


def test_every_reason_has_words_that_may_be_sent_again() -> None:
    assert set(REASON_TEXTS) == set(Reason)
    words = (*load_catalogue().forbidden_content_words, *load_catalogue().forbidden_header_words)
    said = (*REASON_TEXTS.values(), *RETURN_COLUMNS, NOT_KEPT, NOT_IN_EXCEL, MORE_TEXT)
    assert not [one for one in said if any(word in one for word in words) or is_formula(one)]

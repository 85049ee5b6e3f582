"""Files: encodings, headers, and the traps of Excel."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest

from app.records import cells, excel, excel_reader, reading
from app.records.catalogue import load_catalogue
from app.records.reading import Encoding, FileReason, FileRefusedError, FileTooLarge, open_table
from tests.records.programme import HOURS, csv_file, header

GOOD = ["ZY-1", "1", "有效", "33070219850312041X", "2026-05-02", "2", "河道\n清洁"]
SHEET = "xl/worksheets/sheet1.xml"


def rows_of(
    content: bytes, encoding: Encoding = Encoding.UTF_8
) -> list[tuple[int, list[str]]]:
    catalogue = load_catalogue()
    table = open_table(
        io.BytesIO(content), encoding=encoding, catalogue=catalogue,
        record_type=catalogue.record_types[HOURS],
    )
    return list(table.rows)


def reason_of(content: bytes, encoding: Encoding = Encoding.UTF_8) -> FileReason:
    with pytest.raises(FileRefusedError) as refused:
        rows_of(content, encoding)
    return refused.value.reason


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    book.create_sheet("第二张").append(["身份证号"])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def with_member(content: bytes, name: str, data: bytes) -> bytes:
    """The same archive with one member replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.infolist():
            new.writestr(
                member.filename, data if member.filename == name else old.read(member),
                compress_type=zipfile.ZIP_DEFLATED,
            )
    return made.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_three_encodings_give_the_same_rows(encoding: str) -> None:
    row = [*GOOD[:6], "𬱖㙍村"]  # needs the four-byte range of GB 18030
    content = csv_file(HOURS, row).decode().encode(encoding)
    assert rows_of(content, Encoding(encoding)) == [(2, row)]


def test_a_byte_order_mark_is_no_part_of_the_first_header() -> None:
    assert rows_of(b"\xef\xbb\xbf" + csv_file(HOURS, GOOD)) == [(2, GOOD)]


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    lines = csv_file(HOURS, GOOD, GOOD).decode().split("\r\n", 1)
    content = f"志愿服务汇总\n\n{lines[0]}\n\n{lines[1]}".encode()
    assert [number for number, _ in rows_of(content)] == [4, 5, 6]


@pytest.mark.parametrize(("content", "encoding"), [
    ("记录编号".encode("gb18030"), "utf-8"), (b"\xff\xfe", "utf-8"), (b"\x81\x30", "gb18030"),
    (csv_file(HOURS, GOOD).replace(b"ZY-1", b"ZY\x00"), "utf-8"),
    (csv_file(HOURS) + b'"' + b"x" * 200_000, "utf-8"), (b"no archive", "xlsx"),
    (b"PK\x05\x06" + bytes(18), "xlsx"),
])  # fmt: skip
def test_bytes_that_are_not_in_the_stated_encoding(content: bytes, encoding: str) -> None:
    assert reason_of(content, Encoding(encoding)) is FileReason.BAD_ENCODING


@pytest.mark.parametrize(("names", "reason"), [
    (["姓名", "手机号"], FileReason.BAD_HEADER),
    ([*header(HOURS)[:5], "", *header(HOURS)[5:]], FileReason.BAD_HEADER),
    ([*header(HOURS), "服务时长"], FileReason.BAD_HEADER),
    ([*header(HOURS), "血 型"], FileReason.FORBIDDEN_FIELD),
    ([*header(HOURS), "家庭收入"], FileReason.FORBIDDEN_FIELD),
    ([*header(HOURS), "经办人"], FileReason.UNKNOWN_COLUMN),
    (header(HOURS)[:-1], FileReason.MISSING_COLUMN),
])
def test_headers_that_are_refused(names: list[str], reason: FileReason) -> None:
    assert reason_of(",".join(names).encode()) is reason


def test_header_names_may_hold_white_space_and_stand_in_any_order() -> None:
    names = ["序号", *reversed(header(HOURS))]
    content = ('"' + '","'.join(f"{name[:2]}\n {name[2:]}" for name in names) + '"\n').encode()
    assert rows_of(content) == []


def test_excel_cells_are_told_apart() -> None:
    row = [1, "=1+1", True, 332525196410257728, datetime(2026, 3, 1, 9, 30), 2.50, "a"]  # noqa: DTZ001
    ((number, found),) = rows_of(workbook(header(HOURS), row), Encoding.XLSX)
    assert number == 2
    assert found == ["1", "=1+1", "TRUE", "332525196410257700", "2026-03-01", "2.5", "a"]
    kinds = [cells.NumberCell, cells.FormulaCell, str, cells.NumberCell, cells.DayCell]
    assert [type(cell) for cell in found[:5]] == kinds
    assert cells.read_date(found[4]) == date(2026, 3, 1)
    assert cells.read_id_number(found[3]) is None


def test_entities_in_excel_are_never_expanded() -> None:
    """Without defusedxml this file would become a cell of many megabytes."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "' + b"x" * 1000 + b'">' + b"".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">'.encode() for n in range(1, 7)
    ).replace(b"&a0;", b"&a;") + b"]>"
    sheet = bomb + (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>&a6;</t></is></c></row></sheetData></worksheet>'
    )
    content = with_member(workbook(header(HOURS)), SHEET, sheet)
    assert reason_of(content, Encoding.XLSX) is FileReason.BAD_ENCODING


def test_a_zip_bomb_is_refused_before_it_unpacks() -> None:
    content = with_member(workbook(header(HOURS)), SHEET, b" " * 30_000_000)
    with pytest.raises(FileTooLarge):
        rows_of(content, Encoding.XLSX)


def test_too_many_members_rows_columns_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(excel_reader.MEMBERS_MAX + 1):
            archive.writestr(str(number), b"")
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData></worksheet>'
    )
    wide = [*["x"] * excel.COLUMNS_MAX, "y"]
    for content, encoding in (
        (many.getvalue(), Encoding.XLSX),
        (with_member(workbook(), SHEET, sheet), Encoding.XLSX),
        (workbook(header(HOURS), wide), Encoding.XLSX),
        (b",".join([b"x"] * (excel.COLUMNS_MAX + 1)), Encoding.UTF_8),
    ):
        with pytest.raises(FileTooLarge):
            rows_of(content, encoding)
    monkeypatch.setattr(reading, "XLSX_MAX_BYTES", 1000)
    with pytest.raises(FileTooLarge):
        rows_of(workbook(header(HOURS)), Encoding.XLSX)


def test_a_wrong_dimension_hides_no_row() -> None:
    content = workbook(header(HOURS), GOOD)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read(SHEET)
    assert b'<dimension ref="A1:G2"' in sheet
    small = with_member(content, SHEET, sheet.replace(b'ref="A1:G2"', b'ref="A1:A1"'))
    assert rows_of(small, Encoding.XLSX) == [(2, GOOD)]


def test_a_day_that_excel_cannot_show_is_no_date() -> None:
    row = [*GOOD[:4], datetime(2026, 3, 1), "2", "a"]  # noqa: DTZ001
    content = workbook(header(HOURS), row)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read(SHEET)
    content = with_member(content, SHEET, sheet.replace(b"<v>46082</v>", b"<v>99999999</v>"))
    ((_, found),) = rows_of(content, Encoding.XLSX)
    assert cells.read_date(found[4]) is None

"""Files: encodings, headers, and the traps of Excel."""

from __future__ import annotations

import io
import random
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
    (b"no archive", "xlsx"), (b"PK\x05\x06" + bytes(18), "xlsx"),
])  # fmt: skip
def test_bytes_that_are_not_in_the_stated_encoding(content: bytes, encoding: str) -> None:
    assert reason_of(content, Encoding(encoding)) is FileReason.BAD_ENCODING


def line_of(*cells: str) -> str:
    return ",".join([*GOOD[:6], *cells]) + "\n"


PLAIN = line_of("植树")
UNCLOSED = line_of('"植树')


@pytest.mark.parametrize("after", [
    PLAIN * 2, PLAIN + line_of('植树"'), PLAIN + line_of('"植树"'), PLAIN.replace("041X", "0412"),
    PLAIN.replace("ZY-1", "３３０７０２ 1985 0312 041x"), UNCLOSED, PLAIN * 30_000,
])  # fmt: skip
def test_a_quote_that_is_not_closed_costs_its_own_row_alone(after: str) -> None:
    """The quote ends with the file, at a quote further down, or beyond what a row may hold."""
    start, rest = csv_file(HOURS).decode() + UNCLOSED, after.splitlines()
    (number, (cell,)), *others = rows_of((start + after).encode())
    assert (number, type(cell), cell) == (2, cells.BrokenLine, UNCLOSED.rstrip())
    assert [number for number, _ in others] == list(range(3, 3 + len(rest)))
    assert all(len(row) == (1 if line == UNCLOSED.rstrip() else 7)
               for (_, row), line in zip(others, rest, strict=True))


@pytest.mark.parametrize("broken", [
    line_of('"植"树'), line_of('"植树" '), line_of("植\0树"), "ZY\0\n", '"\n',
])  # fmt: skip
def test_a_line_that_cannot_be_read_is_a_broken_row(broken: str) -> None:
    (_, row), good = rows_of((csv_file(HOURS).decode() + broken + PLAIN).encode())
    assert row == [broken.rstrip("\n").replace("\0", "")]
    assert isinstance(row[0], cells.BrokenLine)
    assert good == (3, [*GOOD[:6], "植树"])


@pytest.mark.parametrize("text", [
    "植\n树", "植\r\n\r\n树", '张贴\n""反诈""', f"{GOOD[3]}\n植树", "电话\n13800000000",
    "植" * 140_000,
])  # fmt: skip
def test_a_text_may_be_long_and_have_many_lines(text: str) -> None:
    content = csv_file(HOURS).decode() + line_of(f'"{text}"') + PLAIN
    assert [row[6] for _, row in rows_of(content.encode())] == [text.replace('""', '"'), "植树"]


def test_lines_that_would_be_read_again_and_again_are_too_much() -> None:
    content = csv_file(HOURS).decode() + 'a","x\n' * 150_000 + '"b"c"d\n'
    with pytest.raises(FileTooLarge):
        rows_of(content.encode())
    with pytest.raises(FileTooLarge):
        rows_of(b"x" * excel.ROW_MAX_CHARS)


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


BOMB = '<!DOCTYPE x [<!ENTITY a0 "' + "x" * 1000 + '">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 7)
) + "]>"  # fmt: skip

NOISE = random.Random(1).randbytes((1 << 19) - 25).hex() + "0"  # up to the end of the first read


def with_dtd(dtd: str, word: str = "", name: str = SHEET, encoding: str = "utf-8") -> bytes:
    """A good file with a DTD before one of its parts, and a word in the sheet's last cell."""
    good = workbook(header(HOURS), GOOD)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        xml = archive.read(name).decode()
    if word:
        start, end = xml.rindex("<c "), xml.rindex("</row>")
        xml = f'{xml[:start]}<c r="G2" t="inlineStr"><is><t>{word}</t></is></c>{xml[end:]}'
    said = f'<?xml version="1.0" encoding="{encoding}"?>{dtd}{xml.partition("?>")[2] or xml}'
    return with_member(good, name, said.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_these_sheets_are_good_without_a_dtd(encoding: str) -> None:
    ((_, row),) = rows_of(with_dtd("", "x", encoding=encoding), Encoding.XLSX)
    assert row[6] == "x"


@pytest.mark.parametrize(("dtd", "word", "name", "encoding"), [
    (BOMB, "&a6;", SHEET, "utf-8"),
    (BOMB, "&a3;", SHEET, "utf-8"),  # a megabyte, which expat lets pass
    ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "&a;", SHEET, "utf-8"),
    ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', "x", SHEET, "utf-8"),
    ("<!DOCTYPE x>", "x", SHEET, "utf-8"),
    ("<!DOCTYPE x>", "x", SHEET, "utf-16"),
    (f"<!--{NOISE}--><!DOCTYPE x>", "x", SHEET, "utf-8"),
    ("<!DOCTYPE x>", "", "xl/styles.xml", "utf-8"),
], ids=[
    "bomb", "small bomb", "external entity", "external dtd", "bare", "utf-16", "far", "styles",
])  # fmt: skip
def test_a_dtd_in_excel_is_refused(dtd: str, word: str, name: str, encoding: str) -> None:
    """S28."""
    content = with_dtd(dtd, word, name, encoding)
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

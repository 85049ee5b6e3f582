"""Random folders of the data interface, full of what departments' files are full of."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from tests.records.second_reading import KINDS, OPTIONAL, Cell, File, Formula
from tests.scoring import oracle

FIRST_DAY, LAST_DAY = date(2026, 3, 1), date(2026, 10, 20)
AS_OF = (date(2026, 4, 1), date(2026, 8, 1), date(2026, 12, 31), date(2028, 2, 29))
BIRTHS = (
    *[date(1985, 3, 12)] * 9, date(2008, 2, 29), date(2008, 5, 2), date(2004, 2, 29),
    date(1960, 12, 31), date(2007, 10, 1),
)  # fmt: skip
EVENTS = (
    date(2024, 5, 20), date(2025, 7, 1), date(2025, 9, 1), date(2026, 2, 28), date(2026, 3, 1),
    date(2026, 4, 15), date(2026, 4, 16), date(2026, 5, 1), date(2026, 5, 2), date(2026, 6, 30),
    date(2023, 3, 1), date(2024, 2, 29), date(2026, 2, 1),
)  # fmt: skip
BAD_DATES = (
    "2026-02-30", "2026.3.1", "26-3-1", "2026年3月", "46082", "2026-00-10", "2026/13/1", "明天",
    "2026-3-1 9点", "2026031", "2026 03 01", "2026-03-01T", "1e5", "2026年03月01", "0000-01-01",
)  # fmt: skip
BAD_NUMBERS = (
    "1e2", "1,000", "+", "3.", ".5", "2..0", "二", "2 0", "--1", "3小时", "１．", "0x1", "NaN",
)  # fmt: skip
ODD_NUMBERS = ("-0", "0", "-1", "-2.5", "+3", "２．５", " 2.0 ", "0.05", "24.1", "1000001", "007")
TEXTS = (
    "河道清洁", " 河道清洁　", "“一、二”,三", 'a "quoted" cell', "第一行\n第二行",
    "第一行\r\n第二行", "𠮷祥社区", "㐀䶵龥", "-", "A 型 血 库", "a型血", "指 纹",
    "Ｒｈ阳性", "普通的\u3000空格", "=1+1", "@me", "+86 138", "-3", "-x", "\u200b", "病历", "合计",
)  # fmt: skip
HEADERS = ("合计", "总计", " 小 计")
SPACED = ("", " ", "\u3000", "\u200b", "\ufeff", "\xa0")


class Dice(random.Random):
    """Chance, and whether the file that is being made is one of Excel."""

    excel = False


@dataclass
class Somebody:
    """A person; those without a day of joining are strangers."""

    number: str
    name: str
    phone: str
    joined_on: date | None


def id_number(dice: Dice, born_on: date) -> str:
    first = f"{dice.choice(['330702', '330781'])}{born_on:%Y%m%d}{dice.randrange(1000):03d}"
    total = sum(int(d) * 2 ** (17 - at) for at, d in enumerate(first))
    return first + "0123456789X"[(12 - total % 11) % 11]


def people(dice: Dice, count: int) -> list[Somebody]:
    made: dict[str, Somebody] = {}
    while len(made) < count:
        number = id_number(dice, dice.choice(BIRTHS))
        joined = dice.choice([*[date(2026, 1, 5)] * 6, date(2026, 4, 15), date(2026, 10, 20), None])
        name = dice.choice(["方志远", "阿依·古丽", "𠮷田", "麦麦提•艾力", "周 晓兰", "Ｌｉ明"])
        phone = f"1{dice.choice('35789')}{dice.randrange(10**9):09d}"
        made[number] = Somebody(number, name, phone, joined)
    return list(made.values())


def written_date(dice: Dice, day: date) -> Cell:
    forms: list[Cell] = [
        day.isoformat(), f"{day.year}/{day.month}/{day.day}", f"{day:%Y%m%d}",
        f"{day.year}年{day.month}月{day.day}日", f" {day:%Y-%m-%d} 09:30",
        f"{day:%Y-%m-%d}T23:59:59", f"{day.year}－{day.month:02d}－{day.day}",
    ]  # fmt: skip
    return dice.choice([*forms, day, day, int(f"{day:%Y%m%d}")] if dice.excel else forms)


def written_id(dice: Dice, number: str) -> Cell:
    full_width = "".join(chr(ord(sign) + 0xFEE0) for sign in number)
    forms = [number] * 6 + [
        number.lower(), full_width, f"{number[:6]} {number[6:14]} {number[14:]}", f"\u3000{number}",
    ]
    return dice.choice(forms)


def wrong_id(dice: Dice, number: str) -> Cell:
    check = "0123456789X"[("0123456789X".index(number[17]) + 1) % 11]
    unborn = number[:6] + "20010230" + number[14:17]
    total = sum(int(d) * 2 ** (17 - at) for at, d in enumerate(unborn))
    forms: list[Cell] = [
        "", "不详", "'" + number, number[:15], "3.3E+17", "=A1", "-" + number, number[:17] + check,
        unborn + "0123456789X"[(12 - total % 11) % 11], number[:17] + "Ⅹ", number + " " + number,
    ]  # fmt: skip
    if dice.excel:
        forms += [int(number[:17] + "0"), Formula("=B2"), float(number[:17]) * 10]
    return dice.choice(forms)


def good_cell(  # noqa: PLR0911 -- one kind, one line
    dice: Dice, kind: str, column: str, who: Somebody
) -> Cell:
    column_kind = KINDS[kind][column]
    if column_kind == "date":
        if kind == "members":
            return written_date(dice, who.joined_on or date(2026, 1, 1))
        return written_date(dice, dice.choice(EVENTS))
    if column_kind == "id":
        return written_id(dice, who.number)
    if column_kind == "name":
        return dice.choice([who.name, who.name.replace("•", "・"), f"{who.name[0]} {who.name[1:]}"])
    if column_kind == "phone":
        phones: list[Cell] = [who.phone, "+86" + who.phone, f"{who.phone[:3]}-{who.phone[3:]}"]
        return dice.choice([*phones, int(who.phone)] if dice.excel else phones)
    if column_kind == "version":
        version = dice.choice([1] * 9 + [2, 2, 3, 4, 5, 9999])
        forms: list[Cell] = [f"{version}", f"０{version}"]
        return dice.choice([version, float(version)] if dice.excel else forms)
    if column_kind == "status":
        return dice.choice(["有效"] * 5 + [" 有 效", "作废"])
    if column_kind == "number":
        return good_number(dice, kind)
    if column_kind == "text":
        return dice.choice(TEXTS[:9])
    return good_code(dice, kind, column, who)


def good_number(dice: Dice, kind: str) -> Cell:
    tenths = {
        "public_credit": 2000, "volunteer_hours": 240, "charity_donations": 20_000,
        "points_orders": 500,
    }[kind]  # fmt: skip
    value = dice.randint(1, tenths)
    if kind == "points_orders":
        points = dice.choice([10, 20, 50, 60, 110, value])
        return points if dice.excel else f"{points}.0"
    if kind == "charity_donations":
        return f"{value / 100 * dice.choice([1, 10, 100]):.2f}"
    return value / 10 if dice.excel else dice.choice([f"{value / 10}", f"{value / 10}0", "2"])


def good_code(dice: Dice, kind: str, column: str, who: Somebody) -> Cell:
    if column in {"记录编号", "兑换单号"}:
        own = who.number[-5:] if dice.random() < 0.97 else ""
        return f"{kind[:2]}{own}-{dice.choice(['T9', 'T10', *range(9)])}"
    codes = {
        "荣誉级别": tuple(oracle.HONOURS), "类别": tuple(oracle.DEEDS),
        "献血证号": ("３307020000000001",), "项目": ("文明课程", "文明家庭", "绿色习惯"),
        "等级": (*oracle.COURSES, *oracle.STARS, ""),
    }  # fmt: skip
    return dice.choice(codes[column])


def bad_cell(dice: Dice, kind: str, column: str, who: Somebody) -> Cell:
    pools: dict[str, Sequence[Cell]] = {
        "date": (*BAD_DATES, "2027-01-01", "2025-01-01", "2026-02-28", "2022-05-02"),
        "number": (*BAD_NUMBERS, *ODD_NUMBERS),
        "version": ("0", "10000", "1.0", "一", "-1", "2.5", "+1"),
        "status": ("撤销", "void", "无效"), "name": ("姚博", "方志"),
        "phone": ("不详", "12345678901", "+86 13800000000", "138", "@"),
        "text": TEXTS, "code": ("无", "世界级", "文明课程/讲师", "绿色习惯", "=1", "讲 师"),
    }  # fmt: skip
    column_kind = KINDS[kind][column]
    if column_kind == "id":
        return wrong_id(dice, who.number)
    empty, of_excel = ("", " \u3000"), (46082, 2.0, date(2026, 3, 1), Formula("=1"))
    pool: list[Cell] = [*pools[column_kind], *empty, *(of_excel if dice.excel else ())]
    return dice.choice(pool)


def make_row(
    dice: Dice, kind: str, header: list[str], who: Somebody
) -> list[Cell]:
    if dice.random() < 0.03:
        return [dice.choice(["", " ", "\u3000"])] * dice.randint(0, len(header) + 1)
    spoilt = dice.sample(header, k=dice.choice([*[0] * 7, 1, 1, 2]))
    cells = {
        name: good_cell(dice, kind, name, who) for name in header if name in KINDS[kind]
    }
    if kind == "civility" and dice.random() < 0.95:
        group, items = dice.choice([
            ("文明课程", list(oracle.COURSES)), ("文明家庭", list(oracle.STARS)),
            ("绿色习惯", [""]),
        ])  # fmt: skip
        cells |= {"项目": group, "等级": dice.choice(items)}
    for name in spoilt:
        if name in KINDS[kind]:
            cells[name] = bad_cell(dice, kind, name, who)
    row: list[Cell] = [cells.get(name, dice.choice(["1", "", "7"])) for name in header]
    shape = dice.random()
    if shape < 0.02:
        row = row[: dice.randrange(1, len(row))]
    elif shape < 0.05:
        row = [*row, *dice.choice([["x"], [""], ["", "x"], [" "]])]
    elif shape < 0.07:
        row[0] = dice.choice(HEADERS)
    return row


def make_header(dice: Dice, kind: str) -> list[str]:
    header = list(KINDS[kind]) + ["序号"] * (dice.random() < 0.5)
    if dice.random() < 0.5:
        dice.shuffle(header)
    return header


def spoil_header(dice: Dice, kind: str, header: list[str]) -> list[str]:
    optional = [name for name in header if name in OPTIONAL]
    return dice.choice([
        [*header, "血型"], [*header, "备 注 2"], header[1:], [*header, header[0]],
        ["", *header], [header[0], "", *header[1:]], [*header, "", "月收入"],
        [name for name in header if name not in optional] or header,
    ])


def make_file(dice: Dice, seq: int, kind: str, everybody: list[Somebody]) -> File:
    dice.excel = dice.random() < 0.4
    day = FIRST_DAY + timedelta(days=dice.randrange((LAST_DAY - FIRST_DAY).days + 1))
    if kind == "members":
        day = LAST_DAY
    header = make_header(dice, kind)
    shown = spoil_header(dice, kind, header) if seq % 7 == 0 else header
    shown = [dice.choice(SPACED) + name[:1] + dice.choice(SPACED) + name[1:] for name in shown]
    titles: list[list[Cell]] = [["某单位报送表"], []]
    del titles[dice.choice([0, 0, 1, 2]) :]
    rows = [make_row(dice, kind, header, who) for who in everybody]
    if rows and dice.random() < 0.5:
        rows += dice.sample(rows, k=len(rows) // 4)
    encoding = "xlsx" if dice.excel else dice.choice(["utf-8", "utf-8-sig", "gb18030"])
    return File(seq, f"{kind}_{seq}.csv", kind, day, encoding, [*titles, [*shown], *rows])


def make_folder(dice: Dice) -> list[File]:
    everybody = people(dice, 14)
    joining = [one for one in everybody if one.joined_on]
    files = [make_file(dice, 1, "members", joining * 4)]
    kinds = [kind for kind in KINDS if kind != "members"]
    for seq in range(2, 24):
        kind = dice.choice([*kinds, "volunteer_hours", "charity_donations", "points_orders"])
        rows_about = dice.choices(everybody, k=dice.choice([0, 30, 60]))
        files.append(make_file(dice, seq, kind, rows_about))
    broken = make_file(dice, 24, "good_deeds", everybody)
    broken.broken, broken.encoding = True, dice.choice(["utf-8", "utf-8-sig"])
    return [*files, broken]


def write_folder(dice: Dice, folder: Path, files: list[File]) -> None:
    lines: list[list[object]] = [
        ["序号", "文件", "记录类型", "报送单位", "报送日期", "编码", "字节数", "SHA-256"]
    ]
    for file in dice.sample(files, k=len(files)):
        raw = excel_file(file.rows) if file.encoding == "xlsx" else csv_bytes(dice, file)
        (folder / file.name).write_bytes(raw)
        lines.append([
            file.seq, file.name, file.kind, "某单位", file.delivered_on, file.encoding, len(raw),
            hashlib.sha256(raw).hexdigest(),
        ])  # fmt: skip
    with (folder / "deliveries.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(lines)


def csv_bytes(dice: Dice, file: File) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=dice.choice(["\n", "\r\n"])).writerows(file.rows)
    if file.broken:
        return text.getvalue().encode("gb18030")
    bom = "\ufeff" if file.encoding == "utf-8" and dice.random() < 0.5 else ""
    return (bom + text.getvalue()).encode(file.encoding)


def excel_file(rows: Sequence[Sequence[Cell]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    book.create_sheet("别的").append(["身份证号"])
    for row in rows:
        sheet.append([excel_cell(sheet, cell) for cell in row] or [""])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def excel_cell(sheet: WriteOnlyWorksheet, cell: Cell) -> Any:
    value: Any = cell.text if isinstance(cell, Formula) else cell
    made = WriteOnlyCell(sheet, value)
    if isinstance(cell, str):
        made.data_type = "s"  # as delivered, whatever it looks like
    return made

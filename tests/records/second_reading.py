"""How rows are judged, a second time and from the words of the data interface alone.

Nothing here comes from `app`.  A file is a list of rows; a cell is text, or a number, a day or a
formula of Excel.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from tests.scoring import oracle
from tests.scoring.oracle import Said


@dataclass(frozen=True)
class Formula:
    """A formula of Excel."""

    text: str


Cell = str | int | float | date | Formula
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
SPACE += "\u2009\u200a"
SPACE += "\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
HEAD = "记录编号:code 版本号:version 记录状态:status"
COLUMNS = {
    "members": "姓名:name 身份证号:id 手机号:phone 加入日期:date",
    "public_credit": f"{HEAD} 身份证号:id 评价日期:date 基本情况:number 社会责任:number"
    " 遵纪守法:number 管制能力:number 金融财税:number",
    "honours": f"{HEAD} 姓名:name 身份证号:id 荣誉级别:code 荣誉名称:text 授予单位:text"
    " 授予日期:date 备注*:text",
    "volunteer_hours": f"{HEAD} 身份证号:id 服务日期:date 服务时长:number 活动名称:text",
    "community_service": f"{HEAD} 身份证号:id 活动日期:date 社区:text 服务内容:text",
    "blood_donations": f"{HEAD} 姓名:name 身份证号:id 献血日期:date 献血证号:code 采血点:text",
    "charity_donations": f"{HEAD} 姓名:name 身份证号:id 捐赠日期:date 捐赠金额:number"
    " 受赠单位:text 备注*:text",
    "good_deeds": f"{HEAD} 姓名:name 身份证号:id 发生日期:date 类别:code 确认文号:text 事迹:text",
    "civility": f"{HEAD} 身份证号:id 项目:code 等级*:code 发生日期:date",
    "points_orders": "兑换单号:code 身份证号:id 申请日期:date 兑换积分:number 兑换项目:text",
}
KINDS = {
    kind: {
        column.split(":")[0].rstrip("*"): column.split(":")[1] for column in columns.split()
    }
    for kind, columns in COLUMNS.items()
}
OPTIONAL = {"备注", "等级"}
FORBIDDEN_HEADERS = (
    "血型", "宗教", "信仰", "基因", "指纹", "疾病", "病史", "病种", "诊断", "收入", "存款", "证券",
    "保险", "不动产", "房产", "纳税",
)  # fmt: skip
FORBIDDEN = (
    "血型", "A型血", "B型血", "AB型血", "O型血", "RH阴性", "RH阳性", "宗教信仰", "基因检测", "指纹",
    "病史", "确诊",
)  # fmt: skip
RANGES = {
    "public_credit": ("0", "200", "0.1"), "volunteer_hours": ("0.1", "24", "0.1"),
    "charity_donations": ("0.01", "1000000", "0.01"), "points_orders": ("1", "10000", "1"),
}  # fmt: skip
CIVILITY = {
    *(("文明课程", one) for one in oracle.COURSES), *(("文明家庭", one) for one in oracle.STARS),
    ("绿色习惯", ""),
}  # fmt: skip
MIDDLE_DOTS = "\u2022\u2027\u30fb\uff65\uff0e"


class RefusedError(Exception):
    """A reason, of a row or of a file."""


def trim(text: str) -> str:
    return text.strip(SPACE)


def nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def without_space(text: str) -> str:
    return "".join(sign for sign in text if sign not in SPACE)


def compact(text: str) -> str:
    return without_space(nfkc(text))


def shown(cell: Cell) -> str:
    """The text of a cell."""
    if isinstance(cell, Formula):
        return cell.text
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        whole = Decimal(repr(cell))
        return str(int(whole)) if whole == int(whole) else f"{whole:f}"
    return str(cell)


def is_formula(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return isinstance(cell, Formula)
    text = trim(cell)
    if text.startswith(("=", "@")):
        return True
    signed = text.startswith(("+", "-")) and len(text) > 1
    return signed and not re.fullmatch(r"[+-][0-9]+(\.[0-9]+)?", text)


def read_date(cell: Cell) -> date | None:
    if isinstance(cell, date):
        return cell
    text = trim(nfkc(shown(cell)))
    timed = re.fullmatch(r"(\d+[-/]\d+[-/]\d+)[ T]\d\d?:\d\d(:\d\d)?", text, re.ASCII)
    for pattern, found in (
        (r"(\d{4})-(\d\d?)-(\d\d?)", timed[1] if timed else text),
        (r"(\d{4})/(\d\d?)/(\d\d?)", timed[1] if timed else text),
        (r"(\d{4})(\d\d)(\d\d)", text),
        (r"(\d{4})年(\d\d?)月(\d\d?)日", text),
    ):
        match = re.fullmatch(pattern, found, re.ASCII)
        if match:
            try:
                return date(*map(int, match.groups()))
            except ValueError:
                return None
    return None


def read_number(cell: Cell) -> Decimal | None:
    text = trim(nfkc(shown(cell)))
    return Decimal(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None


def read_phone(cell: Cell) -> str | None:
    match = re.fullmatch(r"(\+?86)?(1[3-9][0-9]{9})", compact(shown(cell)).replace("-", ""))
    return match[2] if match else None


def read_name(cell: Cell) -> str:
    return "".join("\u00b7" if s in MIDDLE_DOTS else s for s in without_space(shown(cell)))


def read_id(cell: Cell) -> str:
    """Steps 3 to 7."""
    if is_formula(cell):
        raise RefusedError("formula_cell")
    if not trim(shown(cell)):
        raise RefusedError("missing_field")
    text = compact(shown(cell)).upper()
    if not isinstance(cell, str) or not re.fullmatch(r"[0-9]{17}[0-9X]", text):
        raise RefusedError("bad_id_format")
    total = sum(int(d) * 2 ** (17 - at) for at, d in enumerate(text[:17]))
    if "0123456789X".index(text[17]) != (12 - total % 11) % 11:
        raise RefusedError("bad_id_check_digit")
    if born_on(text) is None:
        raise RefusedError("bad_id_birth_date")
    return text


def born_on(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def comes_of_age_on(number: str) -> date:
    born = born_on(number)
    assert born is not None
    if (born.month, born.day) == (2, 29):
        return date(born.year + 18, 3, 1)
    return born.replace(year=born.year + 18)


@dataclass
class File:
    """A delivery: what is listed, and its rows."""

    seq: int
    name: str
    kind: str
    delivered_on: date
    encoding: str
    rows: Sequence[Sequence[Cell]]
    broken: bool = False  # the bytes are not valid in the encoding


@dataclass
class Version:
    """A held version."""

    person: str
    content: Any


@dataclass
class City:
    """Everything that was taken so far."""

    members: dict[str, tuple[str, str, date]] = field(default_factory=dict)
    held: dict[tuple[str, str], dict[int, Version]] = field(default_factory=dict)
    said: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    accounts: dict[str, oracle.Account] = field(
        default_factory=lambda: defaultdict(oracle.Account)
    )

    def take(self, file: File) -> dict[str, Any]:
        """The report of a file."""
        report: dict[str, Any] = {
            "seq": file.seq, "file": file.name, "delivered_on": file.delivered_on.isoformat(),
            "status": "processed", "file_reason": None, "rows": 0, "blank": 0, "accepted": 0,
            "corrected": 0, "voided": 0, "duplicate": 0, "superseded": 0, "dropped": 0,
            "refused_total": 0, "refused": {},
        }  # fmt: skip
        try:
            start, header = find_header(file)
        except RefusedError as reason:
            return report | {"status": "refused", "file_reason": str(reason)}
        counts: Counter[str] = Counter()
        refused: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(file.rows[start:], start=start + 1):
            if not any(trim(shown(cell)) for cell in row):
                counts["blank"] += 1
                continue
            counts["rows"] += 1
            try:
                counts[self.judge(file, header, list(row))] += 1
            except RefusedError as reason:
                counts["refused_total"] += 1
                refused[str(reason)].append(number)
        return report | dict(counts) | {"refused": dict(refused)}

    def judge(self, file: File, header: list[str], row: list[Cell]) -> str:
        """The outcome of a row."""
        first = next(cell for cell in row if trim(shown(cell)))
        if compact(shown(first)) in {"合计", "总计", "小计"}:
            raise RefusedError("total_row")
        beyond = any(trim(shown(cell)) for cell in row[len(header) :])
        if beyond or (file.encoding != "xlsx" and len(row) < len(header)):
            raise RefusedError("column_count")
        row += [""] * (len(header) - len(row))
        cells = dict(zip(header, row, strict=False))
        person = read_id(cells["身份证号"])
        if file.kind == "members":
            return self.register(person, cells, file)
        member = self.members.get(person)
        if member is None or member[2] > file.delivered_on:
            return "dropped"
        said, content = read_row(file, person, member[0], cells)
        return self.keep(person, said, content)

    def register(self, person: str, cells: dict[str, Cell], file: File) -> str:
        look_at_others(cells, set(KINDS["members"]))
        phone = read_phone(cells["手机号"])
        if phone is None:
            raise RefusedError("bad_phone")
        joined_on = event_date(cells["加入日期"], person, file)
        member = (read_name(cells["姓名"]), phone, joined_on)
        if person in self.members:
            if self.members[person] != member:
                raise RefusedError("member_exists")
            return "duplicate"
        self.members[person] = member
        return "accepted"

    def keep(self, person: str, said: Said, content: Any) -> str:
        """Steps 23 to 28."""
        held = self.held.get((said.kind, said.number), {})
        if held and next(iter(held.values())).person != person:
            raise RefusedError("citizen_changed")
        if said.version in held:
            if held[said.version].content != content:
                raise RefusedError("version_conflict")
            return "duplicate"
        if held and said.version < max(held):
            return "superseded"
        account = self.accounts[person]
        if said.kind == "points_orders":
            account.expire(said.delivered_on)
            if int(said.values[0]) > sum(lot.left for lot in account.lots):
                raise RefusedError("insufficient_points")
        account.follow(said)
        self.said[person].append(said)
        self.held[said.kind, said.number] = {**held, said.version: Version(person, content)}
        if said.void:
            return "voided"
        return "corrected" if held else "accepted"


def find_header(file: File) -> tuple[int, list[str]]:
    """The number of rows down to the header and with it, and the names."""
    if file.broken:
        raise RefusedError("bad_encoding")
    all_names = [[without_space(shown(cell)) for cell in row] for row in file.rows]
    at = next((at for at, names in enumerate(all_names) if "身份证号" in names), None)
    if at is None:
        raise RefusedError("bad_header")
    names = all_names[at]
    while not names[-1]:
        names.pop()
    if "" in names or len(set(names)) < len(names):
        raise RefusedError("bad_header")
    if any(word in name for name in names for word in FORBIDDEN_HEADERS):
        raise RefusedError("forbidden_field")
    if set(names) - {"序号"} - set(KINDS[file.kind]):
        raise RefusedError("unknown_column")
    if set(KINDS[file.kind]) - set(names):
        raise RefusedError("missing_column")
    return at + 1, names


def look_at_others(cells: dict[str, Cell], needed: set[str]) -> None:
    """Steps 9 to 11."""
    others = [cell for name, cell in cells.items() if name != "身份证号"]
    if any(map(is_formula, others)):
        raise RefusedError("formula_cell")
    if any(word in compact(shown(cell)).upper() for cell in others for word in FORBIDDEN):
        raise RefusedError("forbidden_content")
    if any(not trim(shown(cells[name])) for name in needed - OPTIONAL):
        raise RefusedError("missing_field")


def event_date(cell: Cell, person: str, file: File) -> date:
    """Steps 16 to 18."""
    found = read_date(cell)
    if found is None:
        raise RefusedError("bad_date")
    if found > file.delivered_on:
        raise RefusedError("future_date")
    if found < comes_of_age_on(person):
        raise RefusedError("underage")
    return found


def read_row(
    file: File, person: str, name: str, cells: dict[str, Cell]
) -> tuple[Said, dict[str, object] | str]:
    """Steps 9 to 22, and the content by which two rows are the same."""
    kinds = KINDS[file.kind]
    versioned = "版本号" in kinds
    status = compact(shown(cells["记录状态"])) if versioned else "有效"
    number_name = next(iter(kinds))
    void = status == "作废"
    needed = {number_name, "版本号", "记录状态", "身份证号"} if void else set(kinds)
    look_at_others(cells, needed)
    version = compact(shown(cells["版本号"])) if versioned else "1"
    if not re.fullmatch(r"[0-9]+", version) or not 1 <= int(version) <= 9999:
        raise RefusedError("bad_version")
    if status not in {"有效", "作废"}:
        raise RefusedError("bad_status")
    number = compact(shown(cells[number_name]))
    if void:
        said = Said(file.kind, number, int(version), True, file.delivered_on, file.delivered_on)
        return said, "作废"
    if "姓名" in kinds and read_name(cells["姓名"]) != name:
        raise RefusedError("name_mismatch")
    day = next(column for column, kind in kinds.items() if kind == "date")
    event_on = event_date(cells[day], person, file)
    numbers = read_numbers(kinds, cells)
    codes = {
        column: compact(shown(cells[column]))
        for column, kind in kinds.items() if kind == "code" and column != number_name
    }
    item = find_item(file.kind, codes)
    if file.kind == "blood_donations" and not re.fullmatch("[0-9]{16}", codes["献血证号"]):
        raise RefusedError("bad_certificate")
    check_ranges(file.kind, list(numbers.values()))
    texts = {
        column: trim(shown(cells[column])).replace("\r\n", "\n")
        for column, kind in kinds.items() if kind == "text"
    }
    said = Said(
        file.kind, number, int(version), False, event_on, file.delivered_on, item,
        tuple(f"{number.normalize():f}" for number in numbers.values()),
    )
    return said, {"date": event_on, **numbers, **codes, **texts}


def read_numbers(kinds: dict[str, str], cells: dict[str, Cell]) -> dict[str, Decimal]:
    """Step 19."""
    numbers = {}
    for column, kind in kinds.items():
        if kind == "number":
            found = read_number(cells[column])
            if found is None:
                raise RefusedError("bad_number")
            numbers[column] = found
    return numbers


def find_item(kind: str, codes: dict[str, str]) -> str:
    """Step 20."""
    if kind == "honours" and codes["荣誉级别"] not in oracle.HONOURS:
        raise RefusedError("unknown_honour_level")
    if kind == "good_deeds" and codes["类别"] not in oracle.DEEDS:
        raise RefusedError("unknown_deed")
    if kind == "civility":
        if (codes["项目"], codes["等级"]) not in CIVILITY:
            raise RefusedError("unknown_civility_item")
        return codes["等级"] or codes["项目"]
    return codes.get("荣誉级别") or codes.get("类别") or ""


def check_ranges(kind: str, numbers: list[Decimal]) -> None:
    """Step 22."""
    for number in numbers:
        least, most, step = map(Decimal, RANGES[kind])
        if not least <= number <= most or number % step:
            raise RefusedError("out_of_range")


def judge_folder(files: Sequence[File], as_of: Sequence[date]) -> dict[str, Any]:
    """Reports and members, as expected.json has them."""
    city = City()
    in_order = sorted(files, key=lambda f: (f.kind != "members", f.delivered_on, f.seq))
    reports = {file.seq: city.take(file) for file in in_order}
    return {
        "deliveries": [reports[seq] for seq in sorted(reports)],
        "members": {
            person: {
                day.isoformat(): result_of_day(city.said[person], day) if joined <= day else None
                for day in as_of
            }
            for person, (_, _, joined) in city.members.items()
        },
    }


def result_of_day(said: list[Said], day: date) -> dict[str, Any]:
    indicators, dimensions, total = oracle.score(said, day)
    lots, shortfall = oracle.points(said, day)
    tiers = [tier for tier, least in (("AAA", 750), ("AA", 650), ("A", 550)) if total >= least]
    return {
        "indicators": indicators, "dimensions": dimensions, "total": total,
        "tier": tiers[0] if tiers else None,
        "points": {
            "balance": sum(lots.values()),
            "lots": [[expires_on.isoformat(), left] for expires_on, left in sorted(lots.items())],
            "shortfall": shortfall,
        },
    }  # fmt: skip

"""One row of each kind: every outcome and every reason, by pure functions."""

from __future__ import annotations

from datetime import date

import pytest

from app.kernel.ids import random_id
from app.records.catalogue import load_catalogue
from app.records.cells import FormulaCell, NumberCell
from app.records.judging import (
    HeldRecord,
    Outcome,
    Statement,
    find_person,
    is_blank,
    judge_version,
    read_statement,
)
from app.records.reading import Layout
from app.records.steps import Reason, Row
from tests.members.people import made_up_id_number
from tests.records.programme import HOURS, header

NAME, BORN = "阿依古丽·买买提", date(2000, 2, 29)
NUMBER = made_up_id_number(BORN, serial=7)
OTHER = made_up_id_number(BORN, serial=8)
ON = date(2026, 6, 12)
GOOD: dict[str, dict[str, str]] = {
    HOURS: {
        "记录编号": "ZY-1", "版本号": "1", "记录状态": "有效", "身份证号": NUMBER,
        "服务日期": "2026-05-02", "服务时长": "2.5", "活动名称": "河道清洁",
    },
    "members": {
        "姓名": NAME, "身份证号": NUMBER, "手机号": "13800000000", "加入日期": "2026-01-05",
    },
    "honours": {
        "记录编号": "RY-1", "版本号": "1", "记录状态": "有效", "姓名": NAME, "身份证号": NUMBER,
        "荣誉级别": "省级", "荣誉名称": "劳模", "授予单位": "省总工会",
        "授予日期": "2026-05-01", "备注": "",
    },
    "blood_donations": {
        "记录编号": "XX-1", "版本号": "1", "记录状态": "有效", "姓名": NAME, "身份证号": NUMBER,
        "献血日期": "2026-05-01", "献血证号": "3307000000000001", "采血点": "中心血站",
    },
    "good_deeds": {
        "记录编号": "SJ-1", "版本号": "1", "记录状态": "有效", "姓名": NAME, "身份证号": NUMBER,
        "发生日期": "2026-05-01", "类别": "见义勇为", "确认文号": "1号", "事迹": "救人",
    },
    "civility": {
        "记录编号": "WM-1", "版本号": "1", "记录状态": "有效", "身份证号": NUMBER,
        "项目": "绿色习惯", "等级": "", "发生日期": "2026-05-01",
    },
    "points_orders": {
        "兑换单号": "DH-1", "身份证号": NUMBER, "申请日期": "2026-05-01", "兑换积分": "80.0",
        "兑换项目": "电影票",
    },
}  # fmt: skip


def layout(record_type: str, *, excel: bool = False) -> Layout:
    names = ["序号", *header(record_type)]
    positions = {name: at for at, name in enumerate(names) if at}
    kind = load_catalogue().record_types[record_type]
    return Layout(kind, positions, len(names), pads_rows=excel, first_row=2)


def judge(record_type: str = HOURS, **changes: str) -> Statement | Reason:
    values = GOOD[record_type] | changes
    return judge_cells(["1", *(values[name] for name in header(record_type))], record_type)


def judge_cells(
    cells: list[str], record_type: str = HOURS, *, excel: bool = False
) -> Statement | Reason:
    row = Row(cells, layout(record_type, excel=excel), ON, person_name=NAME)
    return find_person(row) or read_statement(row, catalogue=load_catalogue())


@pytest.mark.parametrize("record_type", GOOD)
def test_good_rows(record_type: str) -> None:
    assert isinstance(judge(record_type), Statement)


WRONG: list[tuple[str, dict[str, str], Reason]] = [
    (HOURS, {"身份证号": "=A1", "服务日期": "x"}, Reason.FORMULA_CELL),
    (HOURS, {"身份证号": " \u3000"}, Reason.MISSING_FIELD),
    (HOURS, {"身份证号": NUMBER[:15]}, Reason.BAD_ID_FORMAT),
    (HOURS, {"身份证号": NumberCell(NUMBER)}, Reason.BAD_ID_FORMAT),
    (HOURS, {"身份证号": NUMBER[:17] + ("1" if NUMBER[17] != "1" else "2")},
     Reason.BAD_ID_CHECK_DIGIT),
    (HOURS, {"身份证号": "330783199602300630"}, Reason.BAD_ID_BIRTH_DATE),
    (HOURS, {"活动名称": "@SUM(A1)", "版本号": "0"}, Reason.FORMULA_CELL),
    (HOURS, {"服务日期": FormulaCell("=DATE(2026,3,1)")}, Reason.FORMULA_CELL),
    (HOURS, {"活动名称": "Ａ 型血志愿者招募", "版本号": "0"}, Reason.FORBIDDEN_CONTENT),
    (HOURS, {"活动名称": "rh阴性"}, Reason.FORBIDDEN_CONTENT),
    (HOURS, {"活动名称": f"陪同{OTHER.lower()}就医"}, Reason.FORBIDDEN_CONTENT),
    (HOURS, {"活动名称": f"甲\n{OTHER[:6]} {OTHER[6:]}", "版本号": "0"}, Reason.FORBIDDEN_CONTENT),
    (HOURS, {"服务时长": "\u200b", "版本号": "0"}, Reason.MISSING_FIELD),
    (HOURS, {"版本号": "一", "记录状态": "撤销"}, Reason.BAD_VERSION),
    (HOURS, {"版本号": "1.0"}, Reason.BAD_VERSION),
    (HOURS, {"记录状态": "撤销", "服务日期": "x"}, Reason.BAD_STATUS),
    ("honours", {"姓名": "姚博", "授予日期": "x"}, Reason.NAME_MISMATCH),
    ("members", {"手机号": "不详", "加入日期": "x"}, Reason.BAD_PHONE),
    (HOURS, {"服务日期": "2025-00-10", "服务时长": "x"}, Reason.BAD_DATE),
    (HOURS, {"服务日期": "2026-06-13", "服务时长": "x"}, Reason.FUTURE_DATE),
    (HOURS, {"服务日期": "2018-02-28", "服务时长": "x"}, Reason.UNDERAGE),
    ("members", {"加入日期": "2018-02-28"}, Reason.UNDERAGE),
    (HOURS, {"服务时长": "1e2"}, Reason.BAD_NUMBER),
    ("honours", {"荣誉级别": "世界级"}, Reason.UNKNOWN_HONOUR_LEVEL),
    ("good_deeds", {"类别": "其他"}, Reason.UNKNOWN_DEED),
    ("civility", {"项目": "文明课程", "等级": "二星"}, Reason.UNKNOWN_CIVILITY_ITEM),
    ("civility", {"等级": "线上"}, Reason.UNKNOWN_CIVILITY_ITEM),
    ("civility", {"项目": "文明课程/讲师", "等级": ""}, Reason.UNKNOWN_CIVILITY_ITEM),
    ("blood_donations", {"献血证号": "无"}, Reason.BAD_CERTIFICATE),
    (HOURS, {"服务时长": "24.1"}, Reason.OUT_OF_RANGE),
    (HOURS, {"服务时长": "0"}, Reason.OUT_OF_RANGE),
    (HOURS, {"服务时长": "1.25"}, Reason.OUT_OF_RANGE),
    (HOURS, {"服务时长": "9" * 5000}, Reason.OUT_OF_RANGE),
    (HOURS, {"记录编号": "Z" * 201}, Reason.OUT_OF_RANGE),
    ("points_orders", {"兑换积分": "10001"}, Reason.OUT_OF_RANGE),
    ("points_orders", {"兑换积分": "1.5"}, Reason.OUT_OF_RANGE),
]


@pytest.mark.parametrize(("record_type", "changes", "reason"), WRONG)
def test_the_first_step_that_applies_decides(
    record_type: str, changes: dict[str, str], reason: Reason
) -> None:
    assert judge(record_type, **changes) is reason


@pytest.mark.parametrize("changes", [
    {"活动名称": f"本人{NUMBER}"}, {"活动名称": f"合同{OTHER}0"}, {"活动名称": OTHER[:17] + "-"},
    {"记录编号": OTHER},  # a number of the department's own may look like one by chance
])  # fmt: skip
def test_numbers_that_say_nobody_else(changes: dict[str, str]) -> None:
    assert isinstance(judge(**changes), Statement)


def test_total_rows_and_numbers_of_cells() -> None:
    good = ["1", *GOOD[HOURS].values()]
    assert judge_cells(["", "合 计", "", "", "", "", "", ""]) is Reason.TOTAL_ROW
    assert judge_cells(good[:5]) is Reason.COLUMN_COUNT
    assert judge_cells([*good, "x"]) is Reason.COLUMN_COUNT
    assert isinstance(judge_cells([*good, " ", ""]), Statement)
    assert judge_cells([*good, "x"], excel=True) is Reason.COLUMN_COUNT
    assert judge_cells(good[:7], excel=True) is Reason.MISSING_FIELD
    assert is_blank(["", "\u3000", "\ufeff"])


def test_r10_the_eighteenth_birthday_of_a_leap_day_is_the_first_of_march() -> None:
    assert isinstance(judge(服务日期="2018-03-01"), Statement)


def test_of_a_void_only_four_cells_count() -> None:
    empty = dict.fromkeys(header(HOURS), "")
    void = judge(HOURS, **(empty | {
        "记录编号": "ZY-1", "版本号": "2", "记录状态": "作 废", "身份证号": NUMBER, "服务日期": "x",
    }))  # fmt: skip
    assert isinstance(void, Statement)
    assert (void.is_void, void.event_on, void.measures, void.details) == (True, None, {}, {})
    assert judge(版本号="0", 记录状态="作废") is Reason.BAD_VERSION
    assert judge(活动名称="=1", 记录状态="作废") is Reason.FORMULA_CELL


def test_content_is_equal_after_reading() -> None:
    one = judge(服务日期="2026/5/2", 服务时长="2.50")
    two = judge(服务日期="2026年5月2日 ", 身份证号=NUMBER.lower(), 记录编号="ZY-2", 版本号="3")
    other = judge(活动名称="河道清洁。")
    assert isinstance(one, Statement)
    assert isinstance(two, Statement)
    assert isinstance(other, Statement)
    assert one.content == two.content != other.content


def test_versions() -> None:
    mine, other = random_id(), random_id()
    statement, void = judge(版本号="2"), judge(版本号="2", 记录状态="作废")
    assert isinstance(statement, Statement)
    assert isinstance(void, Statement)

    def verdict(held: HeldRecord | None, said: Statement = statement) -> Outcome | Reason:
        return judge_version(
            said, citizen_id=mine, held=held, same_content=lambda digest: digest == said.content
        )

    assert verdict(None) is Outcome.ACCEPTED
    assert verdict(None, void) is Outcome.VOIDED
    assert verdict(HeldRecord(other, {1: b""})) is Reason.CITIZEN_CHANGED
    assert verdict(HeldRecord(mine, {1: b""})) is Outcome.CORRECTED
    assert verdict(HeldRecord(mine, {1: b""}), void) is Outcome.VOIDED
    assert verdict(HeldRecord(mine, {2: b""})) is Reason.VERSION_CONFLICT
    assert verdict(HeldRecord(mine, {2: statement.content})) is Outcome.DUPLICATE
    assert verdict(HeldRecord(mine, {2: void.content}), void) is Outcome.DUPLICATE
    assert verdict(HeldRecord(mine, {1: b"", 3: b""})) is Outcome.SUPERSEDED
    assert verdict(HeldRecord(mine, {2: statement.content, 3: b""})) is Outcome.DUPLICATE

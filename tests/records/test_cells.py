"""How single cells are read."""

from __future__ import annotations

from datetime import date

import pytest

from app.records import cells
from app.records.cells import DayCell, FormulaCell, NumberCell


@pytest.mark.parametrize(("cell", "day"), [
    ("2026-03-01", date(2026, 3, 1)), ("2026/3/1", date(2026, 3, 1)),
    ("20260301", date(2026, 3, 1)), ("2026年3月1日", date(2026, 3, 1)),
    ("２０２６０３０１", date(2026, 3, 1)), (" 2026-3-1\u3000", date(2026, 3, 1)),
    ("2026-03-01 09:30", date(2026, 3, 1)), ("2026/03/01T09:30:00", date(2026, 3, 1)),
    (DayCell("2026-03-01"), date(2026, 3, 1)), (NumberCell("20260301"), date(2026, 3, 1)),
    ("2026.3.1", None), ("26-3-1", None), ("2026年3月", None), (NumberCell("46082"), None),
    ("2026-02-30", None), ("2025-00-10", None), ("2026131", None), ("20260301 09:30", None),
    ("2026年3月1日 09:30", None), ("0000-01-01", None), ("", None),
])  # fmt: skip
def test_dates(cell: str, day: date | None) -> None:
    assert cells.read_date(cell) == day


@pytest.mark.parametrize(("cell", "number"), [
    ("2", "2"), ("2.0", "2"), ("2.00", "2"), ("02.50", "2.5"), ("-0", "0"), ("-2.5", "-2.5"),
    ("１８２.５", "182.5"), (" 7 ", "7"), ("0.10", "0.1"), ("9" * 5000, "9" * 5000),
    ("1e2", None), ("+3", None), (".5", None), ("5.", None), ("1,000", None), ("3 5", None),
    ("3小时", None), ("--1", None), ("٣", None),
])  # fmt: skip
def test_numbers(cell: str, number: str | None) -> None:
    assert cells.read_number(cell) == number


@pytest.mark.parametrize(("cell", "formula"), [
    ("=1+1", True), (" =A1", True), ("@SUM(A1)", True), ("+86 138", True), ("-A1", True),
    ("+.5", True), (FormulaCell("=DATE(2026,3,1)"), True), ("-", False), ("+3", False),
    ("-2.5", False), ("+8613800000000", False), ("a=b", False), ("", False), ("＝1", False),
])  # fmt: skip
def test_formulas(cell: str, formula: bool) -> None:  # noqa: FBT001 -- what is expected
    assert cells.is_formula(cell) is formula


@pytest.mark.parametrize(("cell", "number"), [
    ("33070219850312041x", "33070219850312041X"),
    ("330702 1985 0312 041X", "33070219850312041X"),
    ("３３０７０２１９８５０３１２０４１Ｘ", "33070219850312041X"),
    ("'33070219850312041X", None), ("330702850312041", None), ("3.3E+17", None),
    (NumberCell("332525196410257728"), None), ("", None),
])  # fmt: skip
def test_id_numbers(cell: str, number: str | None) -> None:
    assert cells.read_id_number(cell) == number


@pytest.mark.parametrize(("cell", "phone"), [
    ("138-0000-0000", "13800000000"), ("+86 13800000000", "13800000000"),
    ("８６１３８００００００００", "13800000000"), ("12800000000", None), ("不详", None),
])  # fmt: skip
def test_phones(cell: str, phone: str | None) -> None:
    assert cells.read_phone(cell) == phone


@pytest.mark.parametrize(("code", "version"), [
    ("1", 1), ("9999", 9999), ("01", 1), ("0", None), ("10000", None), ("1.0", None), ("一", None),
    ("-1", None), ("٣", None),
])  # fmt: skip
def test_versions(code: str, version: int | None) -> None:
    assert cells.read_version(code) == version


def test_white_space_is_more_than_blanks() -> None:
    assert cells.is_empty("\u3000\u00a0\u200b\ufeff\t\r\n")
    assert cells.read_text(" 甲\r\n乙 \u200b") == "甲\n乙"


def test_long_blanks_are_trimmed_at_once() -> None:
    assert cells.trim("a" + " " * 1_000_000 + "b").startswith("a")

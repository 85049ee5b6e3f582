"""Whatever the rows: parts, repetition and form of a delivery never change what comes out."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import openpyxl
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.database import transaction
from app.ledger.queries import points_as_of
from app.members.operations import register_members
from app.records.queries import DeliveryReport
from app.records.reading import Encoding
from app.scoring.queries import list_scores, scheme_in_force
from tests.conftest import Sized
from tests.members.people import made_up_member
from tests.records.programme import DAY, HOURS, Programme, build_programme, header, refusals

COUNTS = (
    "row_count", "accepted_count", "corrected_count", "voided_count", "duplicate_count",
    "superseded_count", "dropped_count", "refused_count",
)  # fmt: skip
CHANGES = ("accepted_count", "corrected_count", "voided_count")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),  # which record
        st.sampled_from([0, 0, 0, 1]),  # whose
        st.sampled_from(["1", "2", "3", "一"]),
        st.sampled_from(["有效", "有效", "有效", "作废", "撤销"]),
        st.sampled_from(["2026-05-02", "2026/5/2", "2026-05-03", "2025-06-12", "2026-02-30"]),
        st.sampled_from(["2.5", "3", "3.0", "4", "24", "24.1", "三"]),
    ),
    min_size=1, max_size=20,
)
ORDERS = st.lists(
    st.tuples(
        st.integers(0, 4),  # which order
        st.integers(0, 1),  # whose
        st.sampled_from(["1", "10", "20.0", "20", "60", "1.5"]),
    ),
    max_size=8,
)
Told = Sequence[tuple[int, int, str, str, str, str]]
Ordered = Sequence[tuple[int, int, str]]
Property = Callable[..., Callable[[Callable[..., None]], Callable[[], None]]]


@pytest.fixture
def property_of(sized: Sized) -> Property:
    """Makes a property of random rows: the same few in every run, new ones in the full size."""
    examples = sized(ci=10, full=300)

    def of(**strategies: Any) -> Callable[[Callable[..., None]], Callable[[], None]]:
        bounded = settings(
            max_examples=examples, deadline=None, database=None, derandomize=examples == 10,
        )
        return lambda check: bounded(given(**strategies)(check))

    return of


@dataclass
class Somebody:
    """Two new members of the programme, and rows about them."""

    programme: Programme
    told: Told
    ordered: Ordered = ()

    def __post_init__(self) -> None:
        people = [made_up_member(), made_up_member()]
        with transaction():
            registered = register_members(keys=self.programme.keys, people=people)
        self.citizen_ids = [one.citizen_id for one in registered]
        numbers = [one.id_number for one in people]
        self.rows = [
            [f"{numbers[0]}-{record}", version, status, numbers[who], day, hours, "植树"]
            for record, who, version, status, day, hours in self.told
        ]
        self.orders = [
            [f"{numbers[0]}-{order}", numbers[who], "2026-06-10", points, "电影票"]
            for order, who, points in self.ordered
        ]

    def deliver(
        self, rows: Sequence[Sequence[str]], encoding: Encoding = Encoding.UTF_8
    ) -> DeliveryReport:
        if encoding is Encoding.UTF_8:
            return self.programme.deliver(HOURS, *rows)
        write = excel_file if encoding is Encoding.XLSX else json_file
        return self.programme.deliver(HOURS, content=write(rows), encoding=encoding)

    def order(self, rows: Sequence[Sequence[str]]) -> DeliveryReport:
        return self.programme.deliver("points_orders", *rows)

    def state(self) -> list[tuple[object, ...]]:
        scheme = scheme_in_force(on=DAY)
        assert scheme is not None
        found: list[tuple[object, ...]] = []
        for citizen_id in self.citizen_ids:
            (score,) = list_scores(scheme=scheme, as_of=DAY, citizen_ids=[citizen_id])
            points = points_as_of(citizen_id=citizen_id, on=DAY)
            found.append((score.total, score.dimensions, points.lots, points.shortfall_points))
        return found


def excel_file(rows: Sequence[Sequence[str]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in [header(HOURS), *rows]:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def json_file(rows: Sequence[Sequence[str]]) -> bytes:
    names = header(HOURS)
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows]).encode()


def outcome(reports: Sequence[DeliveryReport]) -> tuple[dict[str, int], dict[int, str]]:
    """Counts and refusals of reports, as if their rows had stood below each other."""
    counts: Counter[str] = Counter()
    refused: dict[int, str] = {}
    before = 0
    for report in reports:
        refused |= {before + number: reason for number, reason in refusals(report).items()}
        before += report.row_count
        counts.update({name: getattr(report, name) for name in COUNTS})
    return dict(counts), refused


def in_parts(rows: list[list[str]], draw: Any) -> list[list[list[str]]]:
    cut = draw(st.integers(0, len(rows)))
    again = draw(st.integers(cut, len(rows)))
    return [rows[:cut], rows[cut:again], rows[again:]]


def test_parts_of_a_delivery_are_the_whole(app: Flask, property_of: Property) -> None:
    @property_of(told=ROWS, ordered=ORDERS, data=st.data())
    def check(told: Told, ordered: Ordered, data: Any) -> None:
        programme = build_programme(app)
        whole = Somebody(programme, told, ordered)
        parted = Somebody(programme, told, ordered)
        reports = [parted.deliver(part) for part in in_parts(parted.rows, data.draw)]
        assert outcome(reports) == outcome([whole.deliver(whole.rows)])
        orders = [parted.order(part) for part in in_parts(parted.orders, data.draw)]
        assert outcome(orders) == outcome([whole.order(whole.orders)])
        assert parted.state() == whole.state()

    check()


def test_what_is_delivered_twice_changes_nothing(app: Flask, property_of: Property) -> None:
    @property_of(told=ROWS)
    def check(told: Told) -> None:
        somebody = Somebody(build_programme(app), told)
        somebody.deliver(somebody.rows)
        before = somebody.state()
        again = somebody.deliver(somebody.rows)
        assert [getattr(again, name) for name in CHANGES] == [0, 0, 0]
        assert somebody.state() == before

    check()


def test_csv_excel_and_json_are_one(app: Flask, property_of: Property) -> None:
    @property_of(told=ROWS)
    def check(told: Told) -> None:
        programme = build_programme(app)
        found = []
        for encoding in (Encoding.UTF_8, Encoding.XLSX, Encoding.JSON):
            somebody = Somebody(programme, told)
            report = somebody.deliver(somebody.rows, encoding)
            found.append((outcome([report]), somebody.state()))
        assert found[0] == found[1] == found[2]

    check()

"""Whatever the rows: parts, repetition and form of a delivery never change what comes out."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openpyxl
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kernel.database import transaction
from app.ledger.queries import points_as_of
from app.members.operations import register_members
from app.records.queries import DeliveryReport
from app.records.reading import Encoding
from app.scoring.queries import list_scores, scheme_in_force
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
        st.sampled_from(["1", "2", "3", "一"]),
        st.sampled_from(["有效", "有效", "有效", "作废", "撤销"]),
        st.sampled_from(["2026-05-02", "2026/5/2", "2026-05-03", "2025-06-12", "2026-02-30"]),
        st.sampled_from(["2.5", "3", "3.0", "4", "24", "24.1", "三"]),
    ),
    min_size=1, max_size=20,
)
bounded = settings(
    max_examples=15, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Told = Sequence[tuple[int, str, str, str, str]]


@dataclass
class Somebody:
    """A new member of the programme, and rows about this member."""

    programme: Programme
    told: Told

    def __post_init__(self) -> None:
        person = made_up_member()
        with transaction():
            (registered,) = register_members(keys=self.programme.keys, people=[person])
        self.citizen_id = registered.citizen_id
        self.rows = [
            [f"{person.id_number}-{record}", version, status, person.id_number, day, hours, "植树"]
            for record, version, status, day, hours in self.told
        ]

    def deliver(
        self, rows: Sequence[Sequence[str]], encoding: Encoding = Encoding.UTF_8
    ) -> DeliveryReport:
        if encoding is Encoding.UTF_8:
            return self.programme.deliver(HOURS, *rows)
        write = excel_file if encoding is Encoding.XLSX else json_file
        return self.programme.deliver(HOURS, content=write(rows), encoding=encoding)

    def state(self) -> tuple[object, ...]:
        scheme = scheme_in_force(on=DAY)
        assert scheme is not None
        (score,) = list_scores(scheme=scheme, as_of=DAY, citizen_ids=[self.citizen_id])
        points = points_as_of(citizen_id=self.citizen_id, on=DAY)
        return score.total, score.dimensions, points.lots, points.shortfall_points


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


@bounded
@given(told=ROWS, data=st.data())
def test_parts_of_a_delivery_are_the_whole(app: Flask, told: Told, data: Any) -> None:
    programme = build_programme(app)
    whole, parted = Somebody(programme, told), Somebody(programme, told)
    cut = data.draw(st.integers(0, len(told)))
    again = data.draw(st.integers(cut, len(told)))
    parts = [parted.rows[:cut], parted.rows[cut:again], parted.rows[again:]]
    reports = [parted.deliver(part) for part in parts]
    assert outcome(reports) == outcome([whole.deliver(whole.rows)])
    assert parted.state() == whole.state()


@bounded
@given(told=ROWS)
def test_what_is_delivered_twice_changes_nothing(app: Flask, told: Told) -> None:
    somebody = Somebody(build_programme(app), told)
    somebody.deliver(somebody.rows)
    before = somebody.state()
    again = somebody.deliver(somebody.rows)
    assert [getattr(again, name) for name in CHANGES] == [0, 0, 0]
    assert somebody.state() == before


@bounded
@given(told=ROWS)
def test_csv_excel_and_json_are_one(app: Flask, told: Told) -> None:
    programme = build_programme(app)
    found = []
    for encoding in (Encoding.UTF_8, Encoding.XLSX, Encoding.JSON):
        somebody = Somebody(programme, told)
        report = somebody.deliver(somebody.rows, encoding)
        found.append((outcome([report]), somebody.state()))
    assert found[0] == found[1] == found[2]

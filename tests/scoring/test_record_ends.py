"""Records that say themselves until when they count."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.members.operations import register_members
from app.records.catalogue import CatalogueError, parse_catalogue, read_catalogue_file
from app.records.editing import publish_first_catalogue
from app.records.operations import register_source
from app.records.queries import current_day
from app.scoring.operations import publish_scheme
from app.scoring.queries import list_scores, scheme_in_force
from app.scoring.refreshing import store_scores
from app.scoring.scheme import lint_scheme, read_scheme_file
from app.scoring.tracing import trace_row
from tests.members.people import made_up_member
from tests.records.programme import Programme, refusals
from tests.scoring.people import signed_in

BADGES = """
[[record_type]]
code = "badges"
title = "持证志愿者"
unit = "市志愿者协会"
disclosure = "public"
legal_basis = "志愿服务条例"
update_frequency = "monthly"
retention_days = 1825
positive = true
columns = [
  { name = "记录编号", kind = "code" },
  { name = "版本号", kind = "version" },
  { name = "记录状态", kind = "status" },
  { name = "身份证号", kind = "id" },
  { name = "发证日期", kind = "date" },
  { name = "有效期至", kind = "last_day", optional = true },
  { name = "证件类别", kind = "text" },
]
"""
RULE = """
[[indicator]]
code = "901"
dimension = "3"
name = "持证志愿者"
rule = "per_unit"
unit = "record"
value = "7"
cap = 70
validity_days = 1000
until_record_ends = true
record_type = "badges"
"""
CATALOGUE = read_catalogue_file("jinhua") + BADGES
SCHEME = read_scheme_file("jinhua-xinyijin-2026.1") + RULE
HEADER = "记录编号,版本号,记录状态,身份证号,发证日期,有效期至,证件类别"
DELIVERED, ISSUED = date(2026, 6, 12), date(2026, 6, 1)


@pytest.fixture
def programme(app: Flask) -> Programme:
    keys = app.extensions["card_keys"]
    publish_first_catalogue(document=CATALOGUE)
    publish_scheme(document=SCHEME)
    people = [made_up_member()]
    with transaction():
        registered = register_members(keys=keys, people=people)
    source_id = new_id()
    register_source(keys=keys, source_id=source_id, unit="协会", record_types=["badges"])
    return Programme(keys, source_id, people, [one.citizen_id for one in registered])


def deliver(programme: Programme, *rows: str, delivery_id: UUID | None = None) -> dict[int, str]:
    """Send rows (number, version, last day); which were refused, and why."""
    person = programme.people[0].id_number
    lines = [HEADER]
    for row in rows:
        number, version, last_day = row.split()
        last_day = "" if last_day == "-" else last_day
        lines.append(f"{number},{version},有效,{person},2026-06-01,{last_day},急救员")
    report = programme.deliver(
        "badges", content="\n".join(lines).encode(), on=DELIVERED, delivery_id=delivery_id
    )
    return refusals(report)


def totals(programme: Programme, *days: date) -> list[int]:
    """The totals by the definition; what is stored of the last day must be the same."""
    found = []
    scheme = scheme_in_force(on=DELIVERED)
    assert scheme is not None
    for day in days:
        scores = list_scores(scheme=scheme, as_of=day, citizen_ids=programme.citizens)
        found.append(scores[0].total)
        with transaction() as session:
            store_scores(scheme=scheme, as_of=day, citizen_ids=programme.citizens)
            session.expire_all()
            assert session.scalar(text("SELECT total FROM scores")) == found[-1]
    return found


def test_a_record_counts_up_to_its_last_day(programme: Programme) -> None:
    assert deliver(programme, "B-1 1 2026-06-30", "B-2 1 -", "B-3 1 9999-12-31") == {}
    last = date(2026, 6, 30)
    days = (last, last + timedelta(days=1), ISSUED + timedelta(days=999),
            ISSUED + timedelta(days=1000))  # fmt: skip
    assert totals(programme, *days) == [21, 14, 14, 0]
    with reading() as session:
        kept = session.execute(
            text("SELECT record_number, ends_on, details_sealed IS NULL FROM records ORDER BY 1")
        ).all()
    assert [tuple(row) for row in kept] == [
        ("B-1", date(2026, 7, 1), False), ("B-2", None, False), ("B-3", None, False),
    ]  # fmt: skip


def test_another_last_day_is_another_content(programme: Programme) -> None:
    assert deliver(programme, "B-1 1 2026/6/30") == {}
    rows = ("B-1 1 2026-06-30", "B-1 1 2026-07-01", "B-1 2 2026-07-01")
    assert deliver(programme, *rows) == {3: "version_conflict"}
    report = programme.sent[-1]
    assert (report.duplicate_count, report.corrected_count) == (1, 1)
    assert totals(programme, date(2026, 7, 1), date(2026, 7, 2)) == [7, 0]


def test_last_days_that_are_none(programme: Programme) -> None:
    rows = ("B-1 1 2026-06-31", "B-2 1 2026-05-31", "B-3 1 长期", "B-4 1 2026-06-01")
    assert deliver(programme, *rows) == {2: "bad_date", 3: "out_of_range", 4: "bad_date"}
    assert totals(programme, ISSUED, date(2026, 6, 2)) == [0, 0]  # delivered after it had ended


def test_whoever_asks_is_told_the_end(programme: Programme, client: FlaskClient) -> None:
    delivery_id, last = new_id(), current_day() + timedelta(days=3)
    deliver(programme, f"B-1 1 {last}", delivery_id=delivery_id)
    with transaction():
        traced = trace_row(delivery_id=delivery_id, row_number=2, source_id=None)
    ends_on = last + timedelta(days=1)
    assert [one.ends_on for one in traced.fed] == [ends_on]
    answer = client.get("/api/v1/me/score/explanation", headers=signed_in(programme.citizens[0]))
    lines = [line for one in answer.get_json()["indicators"] for line in one["lines"]]
    assert [line["ends_on"] for line in lines] == [ends_on.isoformat()]


def test_rule_and_catalogue_must_agree() -> None:
    assert lint_scheme(SCHEME, catalogue=parse_catalogue(CATALOGUE)) == ()
    without = CATALOGUE.replace('kind = "last_day", optional = true', 'kind = "text"')
    (fault,) = lint_scheme(SCHEME, catalogue=parse_catalogue(without))
    assert fault.reason == "badges has no column of kind last_day"
    twice = CATALOGUE.replace('"证件类别", kind = "text"', '"证件类别", kind = "last_day"')
    with pytest.raises(CatalogueError, match="at most one column of kind last_day"):
        parse_catalogue(twice)

"""The whole folder of made-up deliveries against every figure of expected.json."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text, true

from app.kernel.database import db, reading
from app.kernel.ids import new_id
from app.members.id_numbers import id_numbers_within
from app.members.queries import RegisteredPerson, find_citizens_by_id_numbers
from app.members.sealing import blind_indexes
from app.members.spelling import compact
from app.records.reading import Encoding
from app.records.returning import open_returned
from app.scoring.counting import AS_OF
from app.scoring.explanations import explain_score
from app.scoring.lines import select_lines
from app.scoring.operations import refresh_scores
from app.scoring.queries import scheme_in_force
from app.scoring.subjects import records_of
from app.scoring.totals import select_totals
from demo.answers import collect_results
from demo.load import FOLDER, LoadedDelivery, expected_results, load_programme
from demo.servers import Database
from tests.conftest import truncate_all


@dataclass
class Loaded:
    app: Flask
    deliveries: list[LoadedDelivery]
    people: dict[str, RegisteredPerson]
    expected: dict[str, Any]
    url: str


@pytest.fixture(scope="module")
def loaded(session_app: Flask, test_database: Database) -> Iterator[Loaded]:
    keys = session_app.extensions["card_keys"]
    expected = expected_results()
    truncate_all(test_database)
    with session_app.app_context():
        deliveries = load_programme(keys=keys, staff_id=new_id())
        people = find_citizens_by_id_numbers(keys=keys, id_numbers=expected["members"])
        yield Loaded(session_app, deliveries, people, expected, test_database.admin_url)
        db.session.remove()
    truncate_all(test_database)


def test_everything_is_as_expected(loaded: Loaded) -> None:
    found = collect_results(
        keys=loaded.app.extensions["card_keys"], folder=FOLDER, loaded=loaded.deliveries,
        as_of=[date.fromisoformat(day) for day in loaded.expected["as_of"]],
    )
    assert {**found, "deliveries": 0, "members": 0} == {
        **loaded.expected, "deliveries": 0, "members": 0,
    }
    for report, expected in zip(found["deliveries"], loaded.expected["deliveries"], strict=True):
        assert report == expected
    assert found["members"].keys() == loaded.expected["members"].keys()
    members = loaded.expected["members"].items()
    wrong = [(n, found["members"][n], days) for n, days in members if found["members"][n] != days]
    assert not wrong, (len(wrong), wrong[:3])


def test_r11_the_stored_scores_are_what_the_records_give(loaded: Loaded) -> None:
    refresh_scores(as_of=date(2026, 11, 1))
    with psycopg.connect(loaded.url) as connection:
        stored = connection.execute("SELECT count(*), sum(total) FROM scores").fetchone()
        tiers = connection.execute(
            "SELECT citizen_id, citizen_tier(citizen_id) FROM scores"
        ).fetchall()
    assert stored is not None
    assert stored[1] == 662_734
    days = {
        loaded.people[number].citizen_id: days["2026-11-01"]
        for number, days in loaded.expected["members"].items()
    }
    assert all(tier == days[citizen_id]["tier"] for citizen_id, tier in tiers)
    assert sum(tier is not None for _, tier in tiers) == 85 + 26 + 8


@pytest.mark.parametrize("day", ["2026-06-30", "2026-11-01", "2027-06-30"])
def test_r11_every_stored_score_is_the_sum_of_its_lines(loaded: Loaded, day: str) -> None:
    """R11, for every member at once."""
    on = date.fromisoformat(day)
    refresh_scores(as_of=on)
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    lines = select_lines(scheme, records=records_of(scheme.subject, AS_OF))
    told: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    exact: dict[tuple[UUID, str], Decimal] = {}
    given: dict[UUID, tuple[int, str | None]] = {}
    with reading() as session:
        for line in session.execute(lines, {"as_of": on}):
            told[line.citizen_id, line.indicator] += line.value
        results = select_totals(scheme, among=lambda _: true(), with_indicators=True)
        for row in session.execute(results, {"as_of": on}):
            given[row.citizen_id] = row.total, row.tier
            for code, (value, _, _) in row.indicators.items():
                exact[row.citizen_id, code] = Decimal(value)
        scores = session.execute(text("SELECT citizen_id, total, tier FROM scores"))
        stored = {citizen_id: (total, tier) for citizen_id, total, tier in scores}
    assert told == exact
    assert {one: score for one, score in stored.items() if one in given} == given
    assert {score for one, score in stored.items() if one not in given} <= {(0, None)}


def test_the_lines_of_every_score_add_up(loaded: Loaded) -> None:
    on = date(2026, 11, 1)
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    for person in list(loaded.people.values())[::10]:
        found = explain_score(scheme=scheme, as_of=on, citizen_id=person.citizen_id)
        dimensions = dict.fromkeys(found.score.dimensions, 0)
        for one in found.indicators:
            assert sum(line.value for line in one.lines) == one.exact
            rounded = int(one.exact.quantize(Decimal(1), ROUND_HALF_UP))
            assert (one.rounded, one.points) == (rounded, min(rounded, one.indicator.cap))
            dimensions[one.indicator.dimension] += one.points
        caps = {dimension.code: dimension.cap for dimension in scheme.dimensions}
        capped = {code: min(points, caps[code]) for code, points in dimensions.items()}
        assert found.score.dimensions == capped
        assert found.score.total == min(sum(capped.values()), scheme.total_cap)


def test_r1_r9_d7_of_strangers_and_blood_types_nothing_is_left(loaded: Loaded) -> None:
    """R1 and R9: looked for in every column of every table, and in the blind indexes."""
    strangers = _strangers(loaded)
    assert len(strangers) > 500
    keys = loaded.app.extensions["card_keys"]
    indexes = {
        index for number in strangers for index in blind_indexes(keys, "id_number", number)
    }
    with psycopg.connect(loaded.url) as connection:
        held = connection.execute("SELECT blind_index FROM citizen_lookup").fetchall()
        assert not indexes & {bytes(row[0]) for row in held}
        text = "\n".join(_everything(connection))
        with loaded.app.app_context():
            sealed = "\n".join(_refused_cells(loaded))
    assert "ZY26-W101" in text  # the search sees what is there
    assert id_numbers_within(sealed) <= set(loaded.people)
    assert id_numbers_within(sealed)
    assert not [word for word in BLOOD_WORDS if word in text]
    numbers = {found[1] for found in re.finditer(r"(?=([0-9]{17}[0-9X]))", text)}
    assert not numbers & strangers
    assert not numbers & set(loaded.people)  # members' numbers are sealed


BLOOD_WORDS = ("血型", "A型", "B型", "O型", "RH阴", "RH阳")


def _strangers(loaded: Loaded) -> set[str]:
    found: set[str] = set()
    for one in loaded.deliveries:
        if one.listed.encoding is Encoding.XLSX or one.report.status == "refused":
            continue
        raw = (FOLDER / one.listed.file).read_bytes()
        text = raw.decode(one.listed.encoding.value)
        found |= set(re.findall(r"(?<![0-9])[0-9]{17}[0-9X](?![0-9])", text))
    return found - set(loaded.people)


def _refused_cells(loaded: Loaded) -> Iterator[str]:
    """Of all refused rows, as their departments can download them."""
    for one in loaded.deliveries:
        if one.report.source_id is not None and one.report.status == "processed":
            returned = open_returned(
                keys=loaded.app.extensions["card_keys"], delivery_id=one.report.delivery_id
            )
            yield from ("\n".join(map(compact, cells)) for _, _, cells in returned.rows)


def _everything(connection: psycopg.Connection[Any]) -> Iterator[str]:
    tables = connection.execute(
        "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        " AND NOT starts_with(tablename, 'ledger_')"
    ).fetchall()
    for (table,) in tables:
        for (row,) in connection.execute(f"SELECT t::text FROM {table} t"):
            yield row

"""The whole folder of made-up deliveries against every figure of expected.json."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import db
from app.kernel.ids import new_id
from app.members.queries import RegisteredPerson, find_citizens_by_id_numbers
from app.records.queries import list_refusals
from app.scoring.queries import list_indicator_points, list_scores, scheme_in_force
from demo.load import LoadedDelivery, expected_results, load_programme
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
        t=time.time()
        deliveries = load_programme(keys=keys, staff_id=new_id())
        print("TOTAL", time.time()-t)
        people = find_citizens_by_id_numbers(keys=keys, id_numbers=expected["members"])
        yield Loaded(session_app, deliveries, people, expected, test_database.admin_url)
        db.session.remove()
    truncate_all(test_database)


COUNTS = (
    "accepted", "corrected", "voided", "duplicate", "superseded", "dropped",
)  # fmt: skip
LOTS = """
    SELECT l.citizen_id, l.expires_on, l.granted_units + coalesce(sum(m.amount_units), 0)
    FROM ledger_lots l
    LEFT JOIN ledger_lot_movements m ON m.citizen_id = l.citizen_id AND m.lot_id = l.lot_id
        AND m.effective_on <= %(on)s
    WHERE l.effective_on <= %(on)s AND l.expires_on > %(on)s
    GROUP BY l.citizen_id, l.lot_id, l.expires_on, l.granted_units
"""
SHORTFALLS = """
    SELECT citizen_id, sum(shortfall_units) FROM ledger_transfers
    WHERE effective_on <= %(on)s AND outcome = 'accepted' GROUP BY citizen_id
"""
DAYS = ("2026-06-30", "2026-11-01", "2027-06-30")


def test_every_delivery_has_its_figures_and_row_numbers(loaded: Loaded) -> None:
    by_seq = {one.listed.seq: one.report for one in loaded.deliveries}
    for expected in loaded.expected["deliveries"]:
        report = by_seq[expected["seq"]]
        refused: dict[str, list[int]] = {}
        for row in list_refusals(delivery_id=report.delivery_id, limit=100_000):
            refused.setdefault(row.reason, []).append(row.row_number)
        found = {
            "status": report.status,
            "file_reason": report.file_reason,
            "rows": report.row_count,
            "blank": report.blank_count,
            **{name: getattr(report, f"{name}_count") for name in COUNTS},
            "refused_total": report.refused_count,
            "refused": refused,
        }
        assert found == {key: expected[key] for key in found}, expected["file"]


@pytest.mark.parametrize("day", DAYS)
def test_every_member_has_their_score(loaded: Loaded, day: str) -> None:
    on = date.fromisoformat(day)
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    ids = [person.citizen_id for person in loaded.people.values()]
    scores = {one.citizen_id: one for one in list_scores(scheme=scheme, as_of=on, citizen_ids=ids)}
    indicators: dict[UUID, dict[str, int]] = {}
    for one in list_indicator_points(scheme=scheme, as_of=on, citizen_ids=ids):
        if one.points:
            indicators.setdefault(one.citizen_id, {})[one.indicator] = one.points
    wrong = []
    for number, days in loaded.expected["members"].items():
        person, expected = loaded.people[number], days[day]
        if expected is None:
            assert person.joined_on > on
            continue
        assert person.joined_on <= on
        score = scores[person.citizen_id]
        found = {
            "indicators": indicators.get(person.citizen_id, {}),
            "dimensions": score.dimensions,
            "total": score.total,
            "tier": score.tier,
        }
        if found != {key: expected[key] for key in found}:
            wrong.append((number, found, expected))
    assert not wrong, (len(wrong), wrong[:3])


@pytest.mark.parametrize("day", DAYS)
def test_every_member_has_their_points(loaded: Loaded, day: str) -> None:
    on = date.fromisoformat(day)
    lots: dict[UUID, dict[str, int]] = {}
    with psycopg.connect(loaded.url) as connection:
        for citizen_id, expires_on, units in connection.execute(LOTS, {"on": on}):
            if units:
                mine = lots.setdefault(citizen_id, {})
                mine[expires_on.isoformat()] = mine.get(expires_on.isoformat(), 0) + int(units)
        shortfalls = {c: int(s) for c, s in connection.execute(SHORTFALLS, {"on": on})}
    wrong = []
    for number, days in loaded.expected["members"].items():
        if days[day] is None:
            continue
        citizen_id = loaded.people[number].citizen_id
        mine = lots.get(citizen_id, {})
        found = {
            "balance": sum(mine.values()),
            "lots": [[expires_on, mine[expires_on]] for expires_on in sorted(mine)],
            "shortfall": shortfalls.get(citizen_id, 0),
        }
        if found != days[day]["points"]:
            wrong.append((number, found, days[day]["points"]))
    assert not wrong, (len(wrong), wrong[:3])

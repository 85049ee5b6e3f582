"""D11, R16: records go when their retention is over, and not a day earlier."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.disputes.operations import lift, mark
from app.disputes.queries import Item
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger import queries as ledger
from app.members import operations as members
from app.scoring.refreshing import verify
from app.scoring.retention import expire_due_records
from tests.records.api import make_source, upload
from tests.repairs.town import Town, make_town


@pytest.fixture
def town(committing_app: Flask) -> Town:
    return make_town(committing_app)


@pytest.fixture
def worker(job_app: Flask) -> Iterator[Flask]:
    with job_app.app_context():
        yield job_app


def numbers(admin: psycopg.Connection[Any]) -> list[str]:
    rows = admin.execute("SELECT DISTINCT record_number FROM records ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def age(admin: psycopg.Connection[Any], town: Town, number: str, days: int) -> None:
    """Move the day of the event of a first version into the past."""
    admin.execute(
        "UPDATE records SET event_on = %s WHERE record_number = %s AND version = 1",
        (town.today - timedelta(days=days), number),
    )


def expire_all(limit: int = 2) -> list[int]:
    """Run the job until it finds nothing."""
    counts = [expire_due_records(limit=limit)]
    while counts[-1]:
        counts.append(expire_due_records(limit=limit))
    return counts


def test_d11_r16_records_go_on_the_day_after_their_retention(
    town: Town, worker: Flask, admin: psycopg.Connection[Any]
) -> None:
    for at in range(7):
        town.deliver(f"F-{at}", town.today - timedelta(days=at + 1))
    town.deliver("F-5", town.today - timedelta(days=2), version=2)
    for number, days in (("F-0", 1_096), ("F-1", 1_095), ("F-2", 1_096), ("F-3", 4_000),
                         ("F-4", 1_094), ("F-5", 1_500)):  # fmt: skip
        age(admin, town, number, days)
    # F-1 and F-4 are not due, of F-5 a version is newer, F-6 is of last week.
    assert sum(expire_all()) > 0
    assert numbers(admin) == ["F-1", "F-4", "F-5", "F-6"]
    for held in ("record_holders WHERE expired_on IS NULL", "adverse_records"):
        rows = admin.execute(f"SELECT record_number FROM {held} ORDER BY 1".encode()).fetchall()
        assert [row[0] for row in rows] == numbers(admin), held
    assert verify(as_of=town.today) == []
    row = admin.execute("SELECT record_count FROM expired_records").fetchone()
    assert row == (3,)


def test_r16_scores_are_computed_anew_and_days_past_say_so(
    town: Town, worker: Flask, admin: psycopg.Connection[Any]
) -> None:
    town.deliver("F-1", town.today - timedelta(days=30))
    assert town.total() == 40
    path = f"/me/score/explanation?as_of={town.today - timedelta(days=1)}"
    assert town.ask(town.holder.headers, "GET", path)[1]["expired_until_on"] is None
    age(admin, town, "F-1", 1_096)
    expire_all()
    assert town.total() == 50
    assert verify(as_of=town.today) == []
    told = town.ask(town.holder.headers, "GET", path)[1]
    assert told["expired_until_on"] == str(town.today - timedelta(days=1))


def test_r15_what_is_disputed_stays_until_it_is_decided(
    town: Town, worker: Flask, admin: psycopg.Connection[Any]
) -> None:
    for number in ("F-1", "F-2", "F-3"):
        town.deliver(number, town.today - timedelta(days=30))
        age(admin, town, number, 2_000)
    citizen_id, objection_id = town.holder.citizen_id, new_id()
    with town.app.app_context(), transaction():
        mark(
            citizen_id=citizen_id, objection_id=objection_id,
            item=Item.of_record("faults", "F-1"),
        )
    expire_all(limit=1)
    assert numbers(admin) == ["F-1"]
    with town.app.app_context(), transaction():
        lift(citizen_id=citizen_id, objection_id=objection_id)
    expire_all(limit=1)
    assert numbers(admin) == []


def test_points_stay_and_a_second_delivery_brings_none(
    town: Town, worker: Flask, admin: psycopg.Connection[Any]
) -> None:
    source = make_source(town.client, dict(town.operator), "volunteer_hours")
    event_on = town.today - timedelta(days=10)
    header = "记录编号,版本号,记录状态,身份证号,服务日期,服务时长,活动名称"
    row = f"V-1,1,有效,{town.person.id_number},{event_on},4,清洁河道"

    def deliver(line: str) -> dict[str, Any]:
        sent = upload(
            town.client, source, f"{header}\n{line}".encode(), record_type="volunteer_hours",
            delivered_on=town.today.isoformat(),
        )
        answer: dict[str, Any] = sent.get_json()
        assert sent.status_code == 200, answer
        return answer

    assert deliver(row)["accepted_count"] == 1

    def points() -> list[Any]:
        return admin.execute("SELECT balance_units FROM ledger_accounts").fetchall()

    had = points()
    assert had
    age(admin, town, "V-1", 1_826)
    expire_all()
    assert numbers(admin) == []
    assert points() == had
    assert ledger.verify() == []
    for line in (row, row.replace("V-1,1", "V-1,2"), row.replace("V-1,1,有效", "V-1,3,作废")):
        again = deliver(line)
        assert (again["accepted_count"], again["superseded_count"]) == (0, 1)
    assert numbers(admin) == []
    assert points() == had


def test_tries_to_sign_in_and_views_are_forgotten(
    worker: Flask, admin: psycopg.Connection[Any]
) -> None:
    admin.execute(
        "INSERT INTO sign_in_attempts SELECT gen_random_uuid(), 'a', 'c', false,"
        " now() - make_interval(secs => 86400 + s) FROM unnest(ARRAY[1, -60]) AS s"
    )
    admin.execute(
        "INSERT INTO known_clients SELECT s::text::bytea, 'c', now() - make_interval("
        "days => 30, secs => s) FROM unnest(ARRAY[1, -60]) AS s"
    )
    assert (members.prune_sign_ins(), members.prune_sign_ins()) == (2, 0)
    for table in ("sign_in_attempts", "known_clients"):
        assert admin.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (1,)

"""D8, D11: what the inventory says of leaving and of time is what happens."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from app.library.pruning import prune_waivers
from app.rights.data_inventory import Leaving, read_inventory
from app.rights.leaving import erase_due
from app.trail.operations import prune_trail
from app.trail.sealing import seal_lines
from tests.redemptions.builders import make_citizen
from tests.rights.rows import add_row, count_rows
from tests.rights.test_leaving import LATER, leave


def tables_by(*leaving: Leaving) -> list[str]:
    return [name for name, table in read_inventory().items() if table.leaving in leaving]


def test_d8_what_the_inventory_calls_erased_is_emptied(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    at_once, at_last = tables_by(Leaving.ERASED), tables_by(Leaving.ERASED_WITH_KEY)
    who, other = (make_citizen(committing_app, tier="A") for _ in range(2))
    for table in (*at_once, *at_last, "trail_entries"):
        for one in (who, other):
            if not count_rows(admin, table, one.citizen_id):
                add_row(admin, table, one.citizen_id)

    leave(committing_app.test_client(), who)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    assert [table for table in at_once if count_rows(admin, table, who.citizen_id)] == []
    assert [table for table in at_last if not count_rows(admin, table, who.citizen_id)] == []
    admin.execute(LATER)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    assert [table for table in at_last if count_rows(admin, table, who.citizen_id)] == []
    assert count_rows(admin, "trail_entries", who.citizen_id) > 0  # five years under a pseudonym
    kept = [table for table in (*at_once, *at_last) if count_rows(admin, table, other.citizen_id)]
    assert kept == [*at_once, *at_last]


def test_settled_trips_and_returned_waivers_go_others_stay(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    who = make_citizen(committing_app)
    for trip, settled_on in (("one", None), ("two", "2026-01-01")):
        admin.execute(
            "INSERT INTO transit_reports (merchant_id, trip_id, report_digest, batch_id,"
            " row_number, citizen_id, tap_in_at, tap_in_place, tap_in_on, fare_fen, closes_at,"
            " settled_on) VALUES (gen_random_uuid(), %s, '\\x01', gen_random_uuid(), 1, %s, now(),"
            " 'Renmin Square', current_date, 200, now() + interval '1 day', %s)",
            (trip, who.citizen_id, settled_on),
        )
    for kind in ("reader", "children"):
        add_row(admin, "library_waivers", who.citizen_id, kind=kind)
    return_waiver(admin, "reader", days=1)
    leave(committing_app.test_client(), who)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    assert admin.execute("SELECT trip_id FROM transit_reports").fetchall() == [("one",)]
    assert admin.execute("SELECT kind FROM library_waivers").fetchall() == [("children",)]
    return_waiver(admin, "children", days=1)
    with job_app.app_context():
        assert (prune_waivers(), prune_waivers()) == (1, 0)


@pytest.mark.parametrize(("days", "left"), [(1_094, 1), (1_096, 0)])
def test_d11_returned_waivers_are_kept_for_three_years(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], days: int, left: int
) -> None:
    add_row(admin, "library_waivers", make_citizen(committing_app).citizen_id, kind="reader")
    return_waiver(admin, "reader", days=days)
    with job_app.app_context():
        prune_waivers()
    assert admin.execute("SELECT count(*) FROM library_waivers").fetchone() == (left,)


def test_d11_the_trail_is_kept_for_five_years(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen_id = make_citizen(committing_app).citizen_id
    admin.execute("DELETE FROM trail_entries")
    for _ in range(3):
        add_row(admin, "trail_entries", citizen_id)
    old = (
        "UPDATE trail_entries SET created_at = now() - make_interval(days => %s)"
        " WHERE trail_id = (SELECT trail_id FROM trail_entries ORDER BY trail_id OFFSET %s LIMIT 1)"
    )
    for place, days in enumerate((1_829, 1_831, 4_000)):
        admin.execute(old, (days, place))
    with job_app.app_context():
        assert prune_trail(limit=1) == 0  # what is not sealed yet stays until it is
        seal_lines()
        assert [prune_trail(limit=1) for _ in range(3)] == [1, 1, 0]
    assert count_rows(admin, "trail_entries", citizen_id) == 1


def return_waiver(admin: psycopg.Connection[Any], kind: str, *, days: int) -> None:
    admin.execute(
        "UPDATE library_waivers SET returned_at = now() - make_interval(days => %s),"
        " returned_by = gen_random_uuid() WHERE kind = %s", (days, kind),
    )

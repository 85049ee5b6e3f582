"""D7: of a file of strangers nothing is left but their number."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Flask

from app.members.sealing import blind_indexes
from tests.conftest import Sized
from tests.members.people import made_up_id_number
from tests.records.programme import HOURS, build_programme

MEMBER_EVERY = 100


def test_r1_d7_planted_strangers_are_nowhere(
    committing_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    count = sized(ci=1_000, full=10_000)
    with committing_app.app_context():
        programme = build_programme(committing_app)
        strangers = [made_up_id_number(serial=500_000 + number) for number in range(count)]
        lines = []
        for number, stranger in enumerate(strangers):
            lines.append(programme.hours(f"ZS-{number}", "2", person=stranger))
            if number % MEMBER_EVERY == 0:  # among them, members
                lines.append(programme.hours(f"ZM-{number}", "2"))
        report = programme.deliver(HOURS, *lines)
    assert (report.dropped_count, report.accepted_count) == (count, count // MEMBER_EVERY)
    tables = [row[0] for row in admin.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    ).fetchall()]
    text = "\n".join(
        str(row[0]) for table in tables
        for row in admin.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()
    )
    assert "ZM-0" in text  # the search sees what is there
    assert "ZS-" not in text
    indexes = {
        index.hex() for one in strangers
        for index in blind_indexes(programme.keys, "id_number", one)
    }
    assert not [one for one in strangers if one in text]
    held = admin.execute("SELECT encode(blind_index, 'hex') FROM citizen_lookup").fetchall()
    assert not indexes & {row[0] for row in held}

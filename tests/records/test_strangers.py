"""D7: of a file of strangers nothing is left but their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask

from app.kernel.crypto import unseal_with
from app.kernel.keys import KeyProvider
from app.members.id_numbers import id_numbers_within
from app.members.queries import find_data_key
from app.members.sealing import blind_indexes
from app.records.keeping import details_context
from app.records.returning import open_returned
from tests.conftest import Sized
from tests.members.people import made_up_id_number
from tests.records.programme import HOURS, build_programme, csv_file

MEMBER_EVERY = 100
REFUSED_EVERY = 10


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
        # What is wrong before it is known whose row it is, and strangers in rows of members.
        planted = [line for number, stranger in enumerate(strangers[::REFUSED_EVERY]) for line in (
            ["合计", *programme.hours(f"ZS-{number}", "2", person=stranger)[1:]],
            programme.hours(f"ZS-{number}", "2", person=stranger)[:5],
            programme.hours(f"ZS-{number}", "2", person=f"'{stranger}"),
            programme.hours(f"ZS-{number}", "2", activity=f"陪同{stranger}\n就医"),
        )]
        known = programme.hours("ZM-1", "2")[:5]
        swallowing = ",".join(programme.hours("ZM-2", "2", activity='"植树')) + "\n"
        report = programme.deliver(HOURS, content=b"".join((
            csv_file(HOURS, *planted, known), swallowing.encode(),
            csv_file(HOURS, *lines).partition(b"\n")[2],
        )))  # fmt: skip
        opened = list(unsealed(admin, programme.keys, report.delivery_id))
    assert (report.dropped_count, report.accepted_count) == (count, count // MEMBER_EVERY)
    assert report.refused_count == len(planted) + 2
    assert any("ZM-1" in one for one in opened)  # the search sees what is there
    assert any("河道清洁" in one for one in opened)
    assert not [one for one in opened if "ZS-" in one]
    assert not {found for one in opened for found in id_numbers_within(one)} & set(strangers)
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


def unsealed(
    admin: psycopg.Connection[Any], keys: KeyProvider, delivery_id: UUID
) -> Iterator[str]:
    """What is kept of a delivery under seal: cells of refused rows, details of records."""
    for _, _, cells in open_returned(keys=keys, delivery_id=delivery_id).rows:
        yield "\n".join(cells)
    for citizen_id, record_type, number, version, sealed in admin.execute(
        "SELECT citizen_id, record_type, record_number, version, details_sealed FROM records"
    ):
        key = find_data_key(keys=keys, citizen_id=citizen_id)
        assert key is not None
        context = details_context(
            citizen_id=citizen_id, record_type=record_type, record_number=number, version=version
        )
        yield unseal_with(key, sealed, context=context).decode()

"""D3: a person is found by a keyed digest of their number, fast, and by no other key.

That looking somebody up is limited and leaves a line: `security/test_bursts` and
`members/test_profiles`.
"""

from __future__ import annotations

import statistics
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.kernel.crypto import keyed_digest
from app.kernel.database import transaction
from app.kernel.keys import KeyPurpose, KeyRing, new_key_document
from app.members import operations
from app.members.queries import find_citizen_id
from app.members.sealing import INDEX_PURPOSES, blind_indexes
from tests.conftest import Sized
from tests.members.api import keys_of
from tests.members.people import made_up_member

INDEX_BYTES_MIN = 16  # 128 bit
LOOKUP_MILLISECONDS_MAX = 5.0
LOOKUPS = 50
FILL = """
    INSERT INTO citizen_lookup (blind_index, purpose, citizen_id, key_id)
    SELECT sha256(convert_to('d3 ' || n, 'UTF8')), 'id_number', gen_random_uuid(), 1
    FROM generate_series(1, %s) AS n
"""
LOOK = """
    EXPLAIN (ANALYZE, FORMAT json) SELECT citizen_id FROM citizen_lookup
    WHERE purpose = 'id_number' AND blind_index = ANY (%s)
"""


@pytest.mark.sized
@pytest.mark.timeout(900)
def test_d3_one_is_found_among_a_million_within_five_milliseconds(
    committing_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    rows, keys = sized(ci=20_000, full=1_000_000), keys_of(committing_app)
    people = [made_up_member() for _ in range(LOOKUPS)]
    with committing_app.app_context(), transaction():
        found = operations.register_members(keys=keys, people=people)
    admin.execute(FILL, (rows,))
    admin.execute("ANALYZE citizen_lookup")
    times = []
    for person in people:
        indexes = blind_indexes(keys, "id_number", person.id_number)
        [(plan,)] = admin.execute(LOOK, (indexes,)).fetchall()
        times.append(plan[0]["Execution Time"])
        assert "Index" in plan[0]["Plan"]["Node Type"]
        assert plan[0]["Plan"]["Actual Rows"] == 1
    assert statistics.median(times) <= LOOKUP_MILLISECONDS_MAX
    with committing_app.app_context():
        looked_up = [
            find_citizen_id(keys=keys, purpose="id_number", value=person.id_number)
            for person in people
        ]
    assert looked_up == [one.citizen_id for one in found]
    shortest = admin.execute("SELECT min(octet_length(blind_index)) FROM citizen_lookup")
    assert shortest.fetchone() == (32,)


def test_d3_index_keys_are_apart_from_all_others() -> None:
    """Neither the key of the data nor the index of another purpose finds anybody."""
    keys = KeyRing.from_document(new_key_document())
    number = made_up_member().id_number
    (index,) = blind_indexes(keys, "id_number", number)
    assert len(index) >= INDEX_BYTES_MIN
    for purpose in set(KeyPurpose) - {INDEX_PURPOSES["id_number"]}:
        assert keyed_digest(keys.active(purpose), number.encode()) != index
    secrets = [keys.active(purpose).secret for purpose in KeyPurpose]
    assert len(set(secrets)) == len(secrets)

"""`flask --app wsgi demo population`: whoever is made can be found, and has a score."""

from __future__ import annotations

from datetime import date

import psycopg
from flask import Flask

from app.members.id_numbers import parse_id_number
from app.members.queries import find_citizens_by_id_numbers
from app.scoring.queries import list_scores, scheme_in_force
from demo.load import prepare_programme
from demo.population import DELIVERED_ON, citizen_id, id_number, name, populate
from demo.servers import Database
from tests.conftest import truncate_all

MEMBERS, RECORDS, SEED = 300, 12, 5


def test_a_population_is_made(committing_app: Flask, test_database: Database) -> None:
    keys = committing_app.extensions["card_keys"]
    with committing_app.app_context():
        prepare_programme()
        made = populate(
            admin_url=test_database.admin_url, keys=keys, members=MEMBERS,
            records_per_member=RECORDS, seed=SEED,
        )
        assert (made.members, made.records) == (MEMBERS, MEMBERS * RECORDS)
        numbers = {id_number(seed=SEED, number=n): n for n in range(MEMBERS)}
        people = find_citizens_by_id_numbers(keys=keys, id_numbers=numbers)
        assert {one.citizen_id for one in people.values()} == {
            citizen_id(seed=SEED, number=n) for n in range(MEMBERS)
        }
        assert all(one.name == name(seed=SEED, number=numbers[at]) for at, one in people.items())
        scheme = scheme_in_force(on=DELIVERED_ON)
        assert scheme is not None
        scores = list_scores(
            scheme=scheme, as_of=DELIVERED_ON,
            citizen_ids=[one.citizen_id for one in people.values()],
        )
        assert min(score.total for score in scores) > 0
        assert len({score.total for score in scores}) > MEMBERS / 10
    truncate_all(test_database)


def test_the_seed_decides(committing_app: Flask, test_database: Database) -> None:
    found = []
    for seed in (1, 1, 2):
        truncate_all(test_database)
        populate(
            admin_url=test_database.admin_url, keys=committing_app.extensions["card_keys"],
            members=20, records_per_member=10, seed=seed,
        )
        with psycopg.connect(test_database.admin_url) as connection:
            found.append(connection.execute(
                "SELECT citizen_id, record_type, record_number, event_on, item, measures"
                " FROM records ORDER BY 1, 2, 3"
            ).fetchall())
    assert found[0] == found[1]
    assert found[0] != found[2]
    truncate_all(test_database)


def test_identity_numbers_are_well_formed_and_different() -> None:
    numbers = [id_number(seed=3, number=n) for n in (*range(3_000), *range(6_990_000, 6_993_000))]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert parse_id_number(number).born_on < date(2000, 1, 1)

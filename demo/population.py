"""`flask --app wsgi demo population`: made-up members and records, as many as wanted, fast.

Members are sealed here, under keys of their own like everybody's, and written with COPY; records
are made by set-based SQL where they are kept.  Nothing is judged and no points are granted: this is
the ground that benchmarks of scores and of deliveries stand on.  Who there is and what they did
follow from the seed; keys and nonces are random as always.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import psycopg

from app.config import Settings
from app.factory import create_app
from app.kernel.crypto import new_data_key
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider, KeyRing
from app.members.id_numbers import check_character
from app.members.sealing import PROFILES, keyed_indexes, seal_field
from demo.load import prepare_programme
from demo.processes import ROOT
from demo.servers import Database, Postgres, free_port
from demo.supervise import migrate, postgres_directory, process_environment

AT_ONCE = 20_000
JOINED_ON = date(2025, 1, 5)
DELIVERED_ON = date(2026, 6, 30)
EVENT_DAYS = 400  # events lie so many days before the delivery at most
FIRST_BIRTH, BIRTH_DAYS = date(1945, 1, 1), 20_000
AREAS = ("330702", "330703", "330723", "330781", "330782", "330783", "330784")
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "志文丽伟芳娜敏静强磊洋艳勇杰娟涛明超秀霞"
PRIMES = (7_919, 104_729)


@dataclass(frozen=True)
class Kind:
    """What records of a kind look like: the items, and the measures with their most tenths."""

    record_type: str
    items: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    most_tenths: int = 1


# The n-th record of a member is of the n-th kind, and so on from the beginning.
KINDS = (
    Kind(
        "public_credit", measures=("basic", "duty", "law", "compliance", "finance"),
        most_tenths=2_000,
    ),
    Kind("volunteer_hours", measures=("hours",), most_tenths=80),
    Kind("civility", items=("文明课程/线上", "文明课程/线下", "文明家庭/四星", "绿色习惯")),
    Kind("volunteer_hours", measures=("hours",), most_tenths=80),
    Kind("community_service"),
    Kind("charity_donations", measures=("yuan",), most_tenths=9_000),
    Kind("honours", items=("市级", "县级", "乡镇级", "单位级", "三等功", "省级")),
    Kind("volunteer_hours", measures=("hours",), most_tenths=80),
    Kind("blood_donations"),
    Kind("good_deeds", items=("孝老爱亲", "拾金不昧", "救死扶伤")),
)

_DELIVERY = """
    INSERT INTO deliveries (delivery_id, staff_id, seq, record_type, file_name, sha256,
        size_bytes, encoding, delivered_on, status, row_count, blank_count, accepted_count,
        corrected_count, voided_count, duplicate_count, superseded_count, dropped_count,
        refused_count)
    SELECT %(delivery)s, %(delivery)s, coalesce(max(seq), 0) + 1, %(record_type)s, 'population',
        '\\x00', 0, 'utf-8', %(on)s, 'processed', %(rows)s, 0, %(rows)s, 0, 0, 0, 0, 0, 0
    FROM deliveries
"""
# 63 bits per record and use, from the seed.
_RECORDS = """
    INSERT INTO records (citizen_id, record_type, record_number, version, is_void, event_on, item,
        measures, content_digest, delivery_id, row_number, delivered_on)
    SELECT p.citizen_id, %(record_type)s, 'P' || %(seed)s || '-' || p.n || '-' || %(place)s, 1,
        false, %(on)s::date - (d.bits %% %(days)s)::int,
        (%(items)s::text[])[1 + (d.bits / 1000 %% greatest(cardinality(%(items)s::text[]), 1))],
        coalesce((
            SELECT jsonb_object_agg(m.name, trim_scale(
                (1 + (d.bits / (m.at * 7)) %% %(most)s)::numeric / 10)::text)
            FROM unnest(%(measures)s::text[]) WITH ORDINALITY AS m (name, at)), '{}'),
        sha256(int8send(d.bits)), %(delivery)s, p.n + 2, %(on)s
    FROM population_part p, LATERAL (
        SELECT hashint8extended(p.n * 4096 + %(place)s, %(seed)s) & 9223372036854775807 AS bits
    ) d
"""
_HOLDERS = """
    INSERT INTO record_holders (record_number, record_type, citizen_id)
    SELECT 'P' || %(seed)s || '-' || p.n || '-' || %(place)s, %(record_type)s, p.citizen_id
    FROM population_part p
"""


@dataclass(frozen=True)
class Made:
    """What was made, and the seconds it took."""

    members: int
    records: int
    seconds: float


def populate(
    *, admin_url: str, keys: KeyProvider, members: int, records_per_member: int, seed: int
) -> Made:
    """Add made-up members with records to a migrated database; a seed can be used once.

    `admin_url` is a role that may write every table.
    """
    began = time.monotonic()
    with psycopg.connect(admin_url) as connection:
        text = connection.execute(
            "SELECT version, text_hash FROM consent_texts WHERE purpose = 'membership'"
            " ORDER BY version DESC LIMIT 1"
        ).fetchone()
        assert text is not None
        deliveries = _insert_deliveries(connection, members, records_per_member)
        connection.execute("CREATE TEMP TABLE population_part (n bigint, citizen_id uuid)")
        for start in range(0, members, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, members))
            _insert_members(connection, keys, numbers, seed, text)
            _insert_records(connection, deliveries, seed)
            connection.commit()
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return Made(members, members * records_per_member, time.monotonic() - began)


def citizen_id(*, seed: int, number: int) -> UUID:
    """The citizen of a number in the population of a seed."""
    digest = hashlib.sha256(f"population {seed} {number}".encode()).digest()
    return UUID(bytes=digest[:16], version=4)


def id_number(*, seed: int, number: int) -> str:
    """A well-formed identity number, another one for every number below seven million."""
    block, place = divmod(number, BIRTH_DAYS)
    area, serial = divmod(block, 1_000)
    day = (place * PRIMES[0] + seed * PRIMES[1]) % BIRTH_DAYS
    born_on = FIRST_BIRTH + timedelta(days=day)
    first = f"{AREAS[area % len(AREAS)]}{born_on:%Y%m%d}{serial:03d}"
    return first + check_character(first)


def name(*, seed: int, number: int) -> str:
    """A name like many others."""
    mixed = number * PRIMES[0] + seed * PRIMES[1]
    given = GIVEN[mixed // 20 % len(GIVEN)] + GIVEN[mixed // 400 % len(GIVEN)]
    return SURNAMES[mixed % len(SURNAMES)] + given


def _insert_deliveries(
    connection: psycopg.Connection[Any], members: int, records_per_member: int
) -> list[tuple[Kind, UUID]]:
    """One delivery for every record of a member."""
    made = []
    for place in range(records_per_member):
        kind, delivery_id = KINDS[place % len(KINDS)], new_id()
        connection.execute(_DELIVERY, {
            "delivery": delivery_id, "record_type": kind.record_type, "on": DELIVERED_ON,
            "rows": members,
        })
        made.append((kind, delivery_id))
    return made


def _insert_members(
    connection: psycopg.Connection[Any], keys: KeyProvider, numbers: range, seed: int,
    text: tuple[int, bytes],
) -> None:
    people = [(number, citizen_id(seed=seed, number=number)) for number in numbers]
    connection.execute("TRUNCATE population_part")
    _copy(connection, "population_part (n, citizen_id)", iter(people))
    _copy(connection, "citizens (citizen_id, joined_on)", ((who, JOINED_ON) for _, who in people))
    wrapped, profiles, lookups = [], [], []
    for number, who in people:
        key, stored = new_data_key(keys, citizen_id=who)
        identity = id_number(seed=seed, number=number)
        plain = {
            "name_sealed": name(seed=seed, number=number), "id_number_sealed": identity,
            "phone_sealed": f"13{number % 10**9:09d}",
        }
        wrapped.append((who, stored))
        profiles.append((who, *(
            seal_field(key, value, table=PROFILES, column=column, citizen_id=who)
            for column, value in plain.items()
        )))
        ((key_id, index),) = keyed_indexes(keys, "id_number", identity)
        lookups.append((index, "id_number", who, key_id))
    _copy(connection, "citizen_keys (citizen_id, wrapped_key)", iter(wrapped))
    _copy(
        connection,
        "citizen_profiles (citizen_id, name_sealed, id_number_sealed, phone_sealed)",
        iter(profiles),
    )
    _copy(
        connection, "citizen_lookup (blind_index, purpose, citizen_id, key_id)",
        iter(sorted(lookups)),
    )
    decided_at = datetime(JOINED_ON.year, JOINED_ON.month, JOINED_ON.day, tzinfo=UTC)
    _copy(
        connection,
        "consents (citizen_id, consent_id, purpose, text_version, text_hash, decision, channel,"
        " decided_at)",
        (
            (who, new_id(), "membership", *text, "given", "register", decided_at)
            for _, who in people
        ),
    )


def _copy(
    connection: psycopg.Connection[Any], target: str, rows: Iterator[tuple[object, ...]]
) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _insert_records(
    connection: psycopg.Connection[Any], deliveries: list[tuple[Kind, UUID]], seed: int
) -> None:
    connection.execute("ANALYZE population_part")
    for place, (kind, delivery_id) in enumerate(deliveries):
        values = {
            "record_type": kind.record_type, "place": place, "seed": seed, "on": DELIVERED_ON,
            "days": EVENT_DAYS, "items": list(kind.items), "measures": list(kind.measures),
            "most": kind.most_tenths, "delivery": delivery_id,
        }
        connection.execute(_RECORDS, values)
        connection.execute(_HOLDERS, values)


@click.command("population")
@click.option("--members", type=click.IntRange(1, 7_000_000), required=True)
@click.option("--records-per-member", type=click.IntRange(0, 4_000), default=10, show_default=True)
@click.option("--seed", type=click.IntRange(0, 1_000_000), default=1, show_default=True)
@click.option(
    "--database", "database_name", default="card_population", show_default=True,
    help="A new database of this name on the server of DATABASE_URL, or on the embedded one in "
    "var/; an old one is dropped.",
)
def write_population(
    members: int, records_per_member: int, seed: int, database_name: str
) -> None:
    """Make a fresh database with a made-up population, to measure or look at."""
    directory = ROOT / "var"
    directory.mkdir(exist_ok=True)
    admin_url = os.environ.get("DATABASE_URL")
    postgres = (
        Postgres(admin_url=admin_url)
        if admin_url
        else Postgres(directory=postgres_directory(directory))
    )
    try:
        database = postgres.create_database(database_name)
        keys = prepare_database(database, directory)
        made = populate(
            admin_url=database.admin_url, keys=keys, members=members,
            records_per_member=records_per_member, seed=seed,
        )
    finally:
        postgres.stop()
    rate = (made.members + made.records) / made.seconds
    click.echo(
        f"{database_name}: {made.members} members, {made.records} records in {made.seconds:.1f} s"
        f" ({rate:,.0f} rows/s)"
    )


def prepare_database(database: Database, directory: Path) -> KeyRing:
    """Bring a new database to the newest schema and publish the scheme; the keys of `directory`."""
    environment = process_environment(directory, free_port())
    environment["DATABASE_URL"] = database.url("card_web")
    migrate(environment | {"DATABASE_MIGRATE_URL": database.url("card_migrate")})
    app = create_app(Settings.from_environ(environment))
    with app.app_context():
        prepare_programme()
    keys: KeyRing = app.extensions["card_keys"]
    return keys

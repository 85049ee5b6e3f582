"""Tables: each of one kind, keys that can be distributed, whole numbers, aware times."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from app.kernel.scale import TableKind
from tests.house.house import table_kinds

KEYS = """
    SELECT t.relname, i.relname, x.indisprimary,
        ARRAY(SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY AS k(number, place)
            LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number
            ORDER BY k.place)
    FROM pg_index AS x
    JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE t.relnamespace = 'public'::regnamespace AND x.indisunique
"""
FOREIGN_KEYS = """
    SELECT conname, conrelid::regclass::text, confrelid::regclass::text,
        ARRAY(SELECT attname::text FROM pg_attribute
            WHERE attrelid = conrelid AND attnum = ANY (conkey))
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
COLUMNS = """
    SELECT table_name, column_name, data_type, is_identity, coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'public'
"""
ARGUMENTS = """
    SELECT p.proname, a.name, format_type(a.type, NULL)
    FROM pg_proc AS p, unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]))
        AS a (name, type)
    WHERE p.pronamespace = 'public'::regnamespace AND a.name <> ''
"""
AMOUNTS = re.compile(r"^amount|(^|_)(fen|points|units)$")
WHOLE = {"bigint", "integer", "bigint[]", "integer[]"}
NOT_OURS = ("procrastinate_", "alembic_version")
INEXACT = {"real", "double precision", "money", "timestamp without time zone", "json"}
INTERVAL_ENDS = ("_from", "_to", "_until")  # both ends of an interval read better so


def is_ours(table: str) -> bool:
    return not table.startswith(NOT_OURS)


@pytest.fixture(scope="module")
def kinds() -> dict[str, TableKind]:
    return {table: kind for named in table_kinds().values() for table, kind in named.items()}


def test_every_table_is_of_one_kind(
    admin: psycopg.Connection[Any], kinds: dict[str, TableKind]
) -> None:
    rows = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert {row[0] for row in rows} - {"alembic_version"} == set(kinds)


def test_keys_of_citizens_tables_begin_with_the_citizen(
    admin: psycopg.Connection[Any], kinds: dict[str, TableKind]
) -> None:
    wrong = [
        f"{table}.{key} {columns}"
        for table, key, _primary, columns in admin.execute(KEYS).fetchall()
        if kinds.get(table) is TableKind.CITIZEN and columns[0] != "citizen_id"
    ]
    assert wrong == []


def test_every_table_has_a_primary_key(
    admin: psycopg.Connection[Any], kinds: dict[str, TableKind]
) -> None:
    with_key = {row[0] for row in admin.execute(KEYS).fetchall() if row[2]}
    assert set(kinds) - with_key == set()


def test_foreign_keys_between_citizens_tables_include_the_citizen(
    admin: psycopg.Connection[Any], kinds: dict[str, TableKind]
) -> None:
    wrong = [
        name
        for name, table, other, columns in admin.execute(FOREIGN_KEYS).fetchall()
        if kinds.get(table) is TableKind.CITIZEN
        and kinds.get(other) is TableKind.CITIZEN
        and "citizen_id" not in columns
    ]
    assert wrong == []


def test_citizens_tables_refer_to_nothing_that_is_elsewhere(
    admin: psycopg.Connection[Any], kinds: dict[str, TableKind]
) -> None:
    wrong = [
        name
        for name, table, other, _columns in admin.execute(FOREIGN_KEYS).fetchall()
        if kinds.get(table) is TableKind.CITIZEN
        and kinds.get(other) not in {TableKind.CITIZEN, TableKind.REFERENCE}
    ]
    assert wrong == []


def test_columns_are_exact(admin: psycopg.Connection[Any], kinds: dict[str, TableKind]) -> None:
    wrong = []
    for table, column, data_type, identity, default in admin.execute(COLUMNS).fetchall():
        if not is_ours(table):
            continue
        if data_type in INEXACT:
            wrong.append(f"{table}.{column} {data_type}")
        counted = identity == "YES" or "nextval" in default
        if counted and kinds[table] is not TableKind.LOCAL:
            wrong.append(f"{table}.{column} takes its value from a sequence")
    assert wrong == []


def test_l13_amounts_are_whole_in_every_table_and_function(
    admin: psycopg.Connection[Any]
) -> None:
    for named in (COLUMNS, ARGUMENTS):
        amounts = [
            (place, name, data_type) for place, name, data_type, *_ in admin.execute(named)
            if is_ours(place) and AMOUNTS.search(name)
        ]  # fmt: skip
        assert len(amounts) >= 20
        assert [one for one in amounts if one[2] not in WHOLE] == []


def test_names_of_columns_tell_their_type(admin: psycopg.Connection[Any]) -> None:
    wrong = [
        f"{table}.{column} {data_type}"
        for table, column, data_type, _identity, _default in admin.execute(COLUMNS).fetchall()
        if is_ours(table)
        and (
            (column.endswith("_at") and data_type != "timestamp with time zone")
            or (column.endswith("_on") and data_type != "date")
            or (
                data_type == "timestamp with time zone"
                and not column.endswith(("_at", *INTERVAL_ENDS))
            )
            or (data_type == "date" and not column.endswith(("_on", *INTERVAL_ENDS)))
        )
    ]
    assert wrong == []

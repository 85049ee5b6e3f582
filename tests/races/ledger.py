"""What the ledger's races share: threads that start together, and guards that come off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

from demo.servers import Database
from tests.conftest import truncate_all

Work = Callable[["psycopg.Connection[Any]", int], Any]


class Outcome(NamedTuple):
    """What one call came to: the ledger's answer, or the class of the database's error."""

    code: str | None
    transfer_id: UUID | None
    error: str | None

    @property
    def is_accepted(self) -> bool:
        return self.error is None and self.code is None


def run_together(made: Database, threads: int, work: Work) -> list[Any]:
    """Run `work(connection, number)` in threads that start together; their results in order."""
    barrier = Barrier(threads)

    def one(number: int) -> Any:
        with psycopg.connect(
            made.url("card_web"), autocommit=True, row_factory=namedtuple_row
        ) as connection:
            barrier.wait(timeout=30)
            return work(connection, number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


def call(connection: psycopg.Connection[Any], statement: str, *values: Any) -> Outcome:
    """One call of a ledger function; a refusal or an error of the database is an outcome."""
    try:
        row = connection.execute(f"SELECT * FROM {statement}".encode(), values).fetchone()
    except psycopg.Error as error:
        return Outcome(None, None, type(error).__name__)
    assert row is not None
    return Outcome(row.code, row.transfer_id, None)


def count_faults(admin: psycopg.Connection[Any], checks: Sequence[str]) -> int:
    """How many rows the proof complains about."""
    return sum(len(admin.execute(check.encode()).fetchall()) for check in checks)


@contextmanager
def guards_off(
    admin: psycopg.Connection[Any],
    made: Database,
    *,
    functions: dict[str, tuple[str, str]] | None = None,
    indexes: Sequence[str] = (),
    constraints: Sequence[tuple[str, str]] = (),
) -> Iterator[None]:
    """The ledger with pieces of functions replaced, and unique indexes and checks dropped."""
    undo = [
        statement
        for name, change in (functions or {}).items()
        for statement in [replace_in(admin, name, *change)]
    ]
    undo += [drop_index(admin, name) for name in indexes]
    undo += [drop_constraint(admin, table, name) for table, name in constraints]
    try:
        yield
    finally:
        truncate_all(made)
        for statement in reversed(undo):
            admin.execute(statement.encode())


def definition(admin: psycopg.Connection[Any], statement: str, name: str) -> str:
    row = admin.execute(statement.encode(), (name,)).fetchone()
    assert row is not None
    return str(row[0])


def replace_in(admin: psycopg.Connection[Any], name: str, old: str, new: str) -> str:
    before = definition(admin, "SELECT pg_get_functiondef(%s::regproc)", name)
    assert old in before, (name, old)
    admin.execute(before.replace(old, new).encode())
    return before


def drop_index(admin: psycopg.Connection[Any], name: str) -> str:
    before = definition(admin, "SELECT pg_get_indexdef(%s::regclass)", name)
    admin.execute(f"DROP INDEX {name}".encode())
    return before


def drop_constraint(admin: psycopg.Connection[Any], table: str, name: str) -> str:
    before = definition(
        admin, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", name
    )
    admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    return f"ALTER TABLE {table} ADD CONSTRAINT {name} {before}"

"""Starting the same thing many times at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

R = TypeVar("R")


def at_once(calls: list[Callable[[], R]]) -> list[R]:
    """Run the calls in threads that start together; their results in order."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], R]) -> R:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def meeting(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """In the block SQL may call `race_meet(n)`: wait until `n` transactions have come there.

    So they meet however slow the machine is.  Who comes alone goes on after `seconds`, which end
    before the web's statements do (5 s); where a lock keeps others away it must be less than the
    time that they wait for it (3 s).  Each transaction meets once.
    """
    admin.execute("""
        CREATE SEQUENCE race_arrivals;
        CREATE FUNCTION race_meet(racers bigint, seconds double precision = 4) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE
            due bigint;
            ends timestamptz := clock_timestamp() + seconds * interval '1 second';
        BEGIN
            IF current_setting('race.met', true) = 'yes' THEN
                RETURN;
            END IF;
            PERFORM set_config('race.met', 'yes', true);
            -- Sequences keep no transactions apart: all see who came.
            due := (nextval('race_arrivals') + racers - 1) / racers * racers;
            WHILE (SELECT last_value FROM race_arrivals) < due AND clock_timestamp() < ends LOOP
                PERFORM pg_sleep(0.005);
            END LOOP;
        END $$
    """)
    try:
        yield
    finally:
        admin.execute("""
            DROP FUNCTION race_meet(bigint, double precision);
            DROP SEQUENCE race_arrivals
        """)


@contextmanager
def meeting_before_writes(
    admin: psycopg.Connection[Any], table: str, racers: int, *,
    event: str = "INSERT", seconds: float = 4,
) -> Iterator[None]:
    """Everybody has looked before anybody writes to the table."""
    with meeting(admin):
        admin.execute(
            "CREATE FUNCTION race_pause() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            f" $$ BEGIN PERFORM race_meet({racers}, {seconds}); RETURN NEW; END $$;"
            f"CREATE TRIGGER race_pause BEFORE {event} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION race_pause()"
        )
        try:
            yield
        finally:
            admin.execute(f"DROP TRIGGER race_pause ON {table}; DROP FUNCTION race_pause()")


@contextmanager
def changed_function(
    admin: psycopg.Connection[Any], signature: str, changes: dict[str, str]
) -> Iterator[None]:
    """Replace parts of a SQL function's text for the duration of the block."""
    definition: str = admin.execute(
        "SELECT pg_get_functiondef(%s::regprocedure)", (signature,)
    ).fetchone()[0]  # type: ignore[index]
    changed = definition
    for old, new in changes.items():
        assert old in changed
        changed = changed.replace(old, new)
    admin.execute(changed)
    try:
        yield
    finally:
        admin.execute(definition)

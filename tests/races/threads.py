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

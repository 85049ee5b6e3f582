"""A trail that takes no line: whatever needs one must fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def trail_full(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """Nothing more can be written."""
    tables = ("trail_entries", "trail_acts")
    for table in tables:
        admin.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_full CHECK (false) NOT VALID")
    try:
        yield
    finally:
        for table in tables:
            admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_full")

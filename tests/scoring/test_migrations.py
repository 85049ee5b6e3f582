"""A running city keeps its rules when drafts come, and when they go again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import fresh_database, migrate

BEFORE, WITH_DRAFTS = "0018", "0019"
_VERSION = """
    INSERT INTO scheme_versions
        (scheme_code, version, effective_on, total_cap, content_hash, document)
    VALUES ('city', %s, %s, 1000, 'h', 'text')
"""
_TIER = """
    INSERT INTO scheme_tiers (scheme_code, version, tier, least_total)
    VALUES ('city', %s, 'A', 1)
"""


def add_version(connection: psycopg.Connection[Any], version: str, effective_on: str) -> None:
    connection.execute(_VERSION, (version, effective_on))
    connection.execute(_TIER, (version,))


def test_published_versions_stay_in_force_and_drafts_go_with_the_way_down(
    servers: dict[str, Any], worker_id: str
) -> None:
    keys_file = Path(servers["keys_file"])
    with fresh_database(servers, f"card_drafts_{worker_id}") as made:
        migrate(made, keys_file, BEFORE)
        with psycopg.connect(made.admin_url, autocommit=True) as connection:
            add_version(connection, "1", "2025-01-01")
            add_version(connection, "2", "2026-01-01")
        migrate(made, keys_file, WITH_DRAFTS)
        with psycopg.connect(made.admin_url, autocommit=True) as connection:
            taken_over = connection.execute(
                "SELECT version, decision, effective_on::text FROM scheme_decisions ORDER BY 1"
            ).fetchall()
            assert taken_over == [
                ("1", "activated", "2025-01-01"), ("2", "activated", "2026-01-01"),
            ]
            add_version(connection, "3", "2026-01-01")  # a draft of the same day
        migrate(made, keys_file, "-1")
        with psycopg.connect(made.admin_url, autocommit=True) as connection:
            for table in ("scheme_versions", "scheme_tiers"):
                left = connection.execute(f"SELECT version FROM {table} ORDER BY 1").fetchall()
                assert left == [("1",), ("2",)], table

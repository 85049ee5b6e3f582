"""The SQL of a room touches its own tables; other rooms' data it gets through their functions."""

from __future__ import annotations

from pathlib import Path

from migrations.render import rendered
from tests.conftest import ROOT
from tests.house.house import APP, SQL, rooms, table_kinds, tables_used, texts, where

VERSIONS = ROOT / "migrations" / "versions"


def owners() -> dict[str, str]:
    return {table: room for room, kinds in table_kinds().items() for table in kinds}


def room_of(migration: Path) -> str:
    """`0004_ledger.py`, `0012_ledger_statements.py` belong to the ledger."""
    slug = migration.stem.split("_", 1)[1]
    known = [room for room in ("kernel", *rooms()) if slug == room or slug.startswith(f"{room}_")]
    return max(known, key=len, default="")


def test_every_table_has_one_owner() -> None:
    named = [table for kinds in table_kinds().values() for table in kinds]
    assert len(named) == len(set(named))


def test_the_python_of_a_room_uses_its_own_tables() -> None:
    owned, strangers = owners(), []
    for room in ("kernel", "web", *rooms()):
        for path in sorted((APP / room).rglob("*.py")):
            for node, text in texts(path):
                if SQL.search(text):
                    foreign = {t for t in tables_used(text) if owned.get(t, room) != room}
                    strangers += [f"{where(path, node)} {table}" for table in sorted(foreign)]
    assert strangers == []


def test_the_functions_of_a_room_use_its_own_tables() -> None:
    owned, strangers = owners(), []
    statements = rendered()
    for migration in sorted(VERSIONS.glob("*.py")):
        room = room_of(migration)
        assert room, f"{migration.name} belongs to no room"
        used = tables_used(statements[migration.stem.split("_")[0]])
        foreign = {table for table in used if owned.get(table, room) != room}
        strangers += [f"{migration.name} {table}" for table in sorted(foreign)]
    assert strangers == []

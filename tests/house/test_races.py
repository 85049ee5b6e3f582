"""S24: every write says what decides when it comes twice at once, and what it names is there."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import ROOT
from tests.house.snapshots import matrix

RACES_FILE = Path(__file__).with_name("races.toml")
LOCKS = re.compile(r"with_for_update|pg_advisory|_LOCK|_lock_|_AT_A_TIME|RUNNING")
STATEMENTS = re.compile(r"\b(?:update|delete|insert)\(")


def writes() -> dict[str, tuple[str, str]]:
    """What decides for each write: a kind, and a place, a key or words."""
    document = tomllib.loads(RACES_FILE.read_text(encoding="utf-8"))
    return {route: tuple(said.split(" ", 1)) for route, said in document["writes"].items()}


def named(kind: str) -> list[str]:
    return sorted({where for said, where in writes().values() if said == kind})


@cache
def functions(file: str) -> dict[str, str]:
    """The functions of a file, with their source."""
    source = (ROOT / file).read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }


def source_of(place: str) -> str:
    file, _, name = place.partition("::")
    return functions(file).get(name, "") if (ROOT / file).exists() else ""


def test_s24_every_write_says_what_decides() -> None:
    routes = {f"{one.method} {one.rule}" for one in matrix() if one.method != "GET"}
    assert set(writes()) == routes, "write into tests/house/races.toml what decides"
    kinds = {kind for kind, _ in writes().values()}
    assert kinds == {"test", "key", "lock", "statement", "sets", "appends", "reads"}


@pytest.mark.parametrize("place", named("test"))
def test_s24_the_race_is_there(place: str) -> None:
    assert "assert" in source_of(place), place


@pytest.mark.parametrize("place", named("lock"))
def test_s24_the_lock_is_there(place: str) -> None:
    assert LOCKS.search(source_of(place)), place


@pytest.mark.parametrize("place", named("statement"))
def test_s24_the_statement_is_there(place: str) -> None:
    assert STATEMENTS.search(source_of(place)), place


def test_s24_the_keys_are_there(admin: psycopg.Connection[Any]) -> None:
    rows = admin.execute(
        "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indisunique"
    ).fetchall()
    assert set(named("key")) <= {str(row[0]) for row in rows}

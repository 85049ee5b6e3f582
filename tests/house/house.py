"""What the house tests look at: rooms, files, strings, tables."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from app.kernel import outbox
from app.kernel.scale import TableKind
from tests.conftest import ROOT

APP = ROOT / "app"
SQL = re.compile(
    r"\b(SELECT\s|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(ALTER|CREATE|DROP)\s+"
    r"(TABLE|FUNCTION|INDEX|ROLE|TYPE)|GRANT\s|TRUNCATE\s)"
)
TABLE_USE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|USING|TRUNCATE)\s+(?:ONLY\s+)?\"?([a-z_]+)")


def rooms() -> list[str]:
    """The rooms that have a folder."""
    ignored = {"kernel", "web"}
    return sorted(p.parent.name for p in APP.glob("*/__init__.py") if p.parent.name not in ignored)


def product_files() -> list[Path]:
    """The Python files that run in production."""
    folders = ("app", "wechat_integration", "integrity_card_scanner")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def all_files() -> list[Path]:
    """Every Python file of ours."""
    folders = (
        "app", "wechat_integration", "integrity_card_scanner", "migrations", "demo", "bench",
        "tests",
    )
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def where(path: Path, node: ast.AST) -> str:
    """A place, for messages."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '?')}"


def texts(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """The string constants of a file, with the constant parts of f-strings joined."""
    inside: set[int] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            inside.update(id(part) for part in parts)
            yield node, "{}".join(str(part.value) for part in parts)
    for node in ast.walk(parsed(path)):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and id(node) not in inside:
            yield node, value


def table_kinds() -> dict[str, dict[str, TableKind]]:
    """The tables of each room and of the kernel, with their kinds."""
    found: dict[str, dict[str, TableKind]] = {"kernel": dict(outbox.TABLE_KINDS)}
    for room in rooms():
        if (APP / room / "models.py").exists():
            found[room] = dict(importlib.import_module(f"app.{room}.models").TABLE_KINDS)
    return found


def tables_used(sql: str) -> set[str]:
    """The names that a SQL text reads or writes."""
    return set(TABLE_USE.findall(sql))

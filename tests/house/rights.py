"""What is owed to people, requirement by requirement, with the tests that show it: docs/rights.md.

A test shows a requirement by carrying its number in its name (`test_r5_…`, `test_s43_d1_…`), a
module says in its docstring that it is for one.  Tests are read, not run: the page says that they
are there, the suite says that they pass.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.house.house import parsed, product_files

RIGHTS_FILE = Path(__file__).parent / "rights.toml"
RIGHTS_PAGE = ROOT / "docs" / "rights.md"
NUMBERS = (*(f"R{n}" for n in range(1, 31)), *(f"D{n}" for n in range(1, 13)))
NUMBER = re.compile(r"[rd][1-9][0-9]?")
NAMED = re.compile(r"\b[RD][1-9][0-9]?\b")
HEAD = """\
# Rights of citizens, and the tests that show them

Written by `make snapshots` from `tests/house/rights.toml` and from the names of the tests. R are
requirements of law and good sense, D are bars for personal data. "No test yet" means what it says.
"""


@dataclass(frozen=True)
class Requirement:
    """What is owed, in one line; the files and routes in which it lives."""

    number: str
    what: str
    where: tuple[str, ...]
    routes: tuple[str, ...] = ()


def requirements() -> list[Requirement]:
    """All of them, in their order."""
    document = tomllib.loads(RIGHTS_FILE.read_text(encoding="utf-8"))
    if tuple(document) != NUMBERS:
        raise ValueError(f"{RIGHTS_FILE.name} must hold {NUMBERS[0]} to {NUMBERS[-1]} in order")
    return [
        Requirement(
            number, entry["what"], tuple(entry["where"]), tuple(entry.get("routes", ()))
        )
        for number, entry in document.items()
    ]


def page_of_rights() -> str:
    """The page as it has to be."""
    shown, named = tests_by_number(), files_by_number()
    sections = (
        _section(one, sorted({*named.get(one.number, []), *one.where}), shown.get(one.number, []))
        for one in requirements()
    )
    return "\n".join((HEAD, *sections))


def tests_by_number() -> dict[str, list[str]]:
    """The tests that carry each number, by file and name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _tests_in(parsed(path)):
            for number in numbers_in(name):
                found[number].append(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return found


def files_by_number() -> dict[str, list[str]]:
    """The files of the product whose docstring names each number."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in product_files():
        for number in NAMED.findall(ast.get_docstring(parsed(path)) or ""):
            found[number].append(path.relative_to(ROOT).as_posix())
    return found


def numbers_in(name: str) -> list[str]:
    """The numbers that the name of a test begins with: before the first word that is none."""
    numbers = []
    for part in name.removeprefix("test_").split("_"):
        if not re.fullmatch(r"[a-z][0-9]+", part):
            break
        if NUMBER.fullmatch(part):
            numbers.append(part.upper())
    return numbers


def _tests_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def _section(one: Requirement, files: list[str], tests: list[str]) -> str:
    places = [f"`{place}`" for place in files if (ROOT / place).exists()]
    places += [f"`{route}`" for route in one.routes]
    return "\n".join((
        f"## {one.number}", one.what, "",
        f"Lives in {', '.join(places)}." if places else "Lives nowhere yet.", "",
        *([f"- `{test}`" for test in tests] or ["No test yet."]), "",
    ))

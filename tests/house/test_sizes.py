"""Names and sizes."""

from __future__ import annotations

import ast

from tests.conftest import ROOT
from tests.house.house import all_files, parsed, product_files, where

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600
SHAPELESS = ("utils", "util", "helpers", "helper", "common", "misc", "manager", "managers")


def test_functions_are_short() -> None:
    long = [
        f"{where(path, node)} {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for path in all_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
        and "migrations/versions" not in str(path)  # a migration is one long text of SQL
    ]
    assert long == []


def test_files_are_short() -> None:
    long = {}
    for path in all_files():
        lines = path.read_text(encoding="utf-8").count("\n")
        is_test = path.is_relative_to(ROOT / "tests")
        if "migrations/versions" in str(path):
            continue
        if lines > (TEST_FILE_LINES_MAX if is_test else FILE_LINES_MAX):
            long[str(path.relative_to(ROOT))] = lines
    assert long == {}


def test_names_say_something() -> None:
    shapeless = [
        str(path.relative_to(ROOT))
        for path in product_files()
        if path.stem in SHAPELESS
        or path.parent.name in SHAPELESS
        or ("service" in path.stem and "service_order" not in path.stem)
    ]
    assert shapeless == []

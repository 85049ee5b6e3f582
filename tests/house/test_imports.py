"""Who may import whom: the contracts of pyproject.toml, and what their forms cannot say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.conftest import ROOT

BAD_IMPORTS = {
    "app/kernel/ids.py": "import flask",
    "app/kernel/clock.py": "from app.web import problems",
    "app/trail/models.py": "from app.trail import operations",
    "app/trail/queries.py": "from werkzeug import exceptions",
    "app/web/problems.py": "from app.trail import queries",
    "app/unplaced/__init__.py": "",
    "integrity_card_scanner/suites.py": "from app.kernel import keys",
    "wechat_integration/errors.py": "from app.kernel import errors",
    "app/trail/__init__.py": "import wechat_integration",
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "app", "wechat_integration", "integrity_card_scanner",
        include_external_packages=True, cache_dir=None,
    )


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", BAD_IMPORTS)
def test_a_bad_import_breaks_a_contract(path: str, tmp_path: Path) -> None:
    for name in ("app", "wechat_integration", "integrity_card_scanner"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / path
    changed.parent.mkdir(exist_ok=True)
    with changed.open("a", encoding="utf-8") as file:
        file.write(f"\n{BAD_IMPORTS[path]}\n")
    assert lint(tmp_path).returncode == 1


def test_models_are_imported_by_their_room_alone(graph: grimp.ImportGraph) -> None:
    strangers = {
        (importer, module)
        for module in graph.modules
        if module.endswith(".models")
        for importer in graph.find_modules_that_directly_import(module)
        if importer.split(".")[:2] != module.split(".")[:2]
    }
    assert strangers == set()


def test_flask_sqlalchemy_is_imported_in_the_kernel_alone(graph: grimp.ImportGraph) -> None:
    assert graph.find_modules_that_directly_import("flask_sqlalchemy") == {"app.kernel.database"}

"""The job tables are those of the installed Procrastinate."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files

from tests.conftest import ROOT


def test_the_frozen_schema_is_the_installed_one() -> None:
    # Fails when Procrastinate is upgraded: bring its difference in a new migration, freeze the new
    # schema beside it, and point here to the new file.
    installed = files("procrastinate.sql").joinpath("schema.sql").read_text(encoding="utf-8")
    frozen = ROOT / "migrations" / "sql" / f"procrastinate_{version('procrastinate')}.sql"
    assert frozen.read_text(encoding="utf-8") == installed

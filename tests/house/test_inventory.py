"""D11: every column says what it is, every table why, how long, and how it goes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from app.kernel import jobs
from app.kernel.scale import TableKind
from app.rights import data_inventory
from app.rights.data_inventory import (
    About,
    BadInventoryError,
    Keep,
    KeptTable,
    read_inventory,
)
from tests.house.house import table_kinds
from tests.house.snapshots import INVENTORY_PAGE, page_of_inventory

COLUMNS = """
    SELECT c.relname, a.attname FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND c.relname <> 'alembic_version'
"""
WRITE_IT = "label what is new in app/rights/inventory/<room>.toml; see docs/data-inventory.md"


@pytest.fixture
def in_database(admin: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    return {(row[0], row[1]) for row in admin.execute(COLUMNS).fetchall()}


@pytest.fixture
def tables() -> dict[str, KeptTable]:
    return dict(read_inventory())


def test_d11_every_column_is_labelled_and_nothing_else(
    in_database: set[tuple[str, str]], tables: dict[str, KeptTable]
) -> None:
    labelled = {(name, column) for name, table in tables.items() for column in table.columns}
    assert (in_database - labelled, labelled - in_database) == (set(), set()), WRITE_IT


def test_a_table_stands_in_the_file_of_its_room(tables: dict[str, KeptTable]) -> None:
    owned = {table: room for room, named in table_kinds().items() for table in named}
    assert {name: table.room for name, table in tables.items()} == owned


def test_what_belongs_to_a_citizen_is_about_citizens(
    in_database: set[tuple[str, str]], tables: dict[str, KeptTable]
) -> None:
    kinds = {name: kind for named in table_kinds().values() for name, kind in named.items()}
    owned = {name for name, kind in kinds.items() if kind is TableKind.CITIZEN}
    owned |= {table for table, column in in_database if column == "citizen_id"}
    assert {name for name in owned if tables[name].about is not About.CITIZEN} == set()


def test_what_goes_in_time_names_a_job_that_runs(tables: dict[str, KeptTable]) -> None:
    named = {table.job for table in tables.values() if table.job is not None}
    assert named - set(jobs._periodic) == set()  # noqa: SLF001 -- what the workers call


# What ends it without the clock: a worker passes a message on as soon as it is committed.
BY_THEMSELVES = {"outbox"}


def test_d11_whatever_has_a_term_names_the_job_that_ends_it(tables: dict[str, KeptTable]) -> None:
    over = {Keep.TIME, Keep.MOMENTS, Keep.CATALOGUE}
    nameless = {name for name, one in tables.items() if one.keep in over and one.job is None}
    assert nameless == BY_THEMSELVES


def test_d11_what_is_due_is_looked_for_within_a_day(tables: dict[str, KeptTable]) -> None:
    named = {table.job for table in tables.values() if table.job is not None}
    crons = {name: jobs._periodic[name].cron.split() for name in named}  # noqa: SLF001
    seldom = {name for name, cron in crons.items() if cron[2:5] != ["*", "*", "*"]}
    assert seldom == set()


def test_the_name_of_a_sealed_column_says_so(tables: dict[str, KeptTable]) -> None:
    wrong = {
        (name, column)
        for name, table in tables.items()
        for column, known in table.columns.items()
        if (known in {"sealed", "sealed_file"}) != ("sealed" in column)
    }
    assert wrong == set()


def test_the_page_is_drawn_from_the_files() -> None:
    assert INVENTORY_PAGE.read_text(encoding="utf-8") == page_of_inventory()


@pytest.mark.parametrize("wrong", [
    ('keep = "membership"', 'keep = "for_good"'), ('keep = "membership"', 'keep = "time"'),
    ('leaving = "erased"', 'leaving = "pseudonym"'), ('leaving = "erased"\n', ""),
    ('sealed = ["name_sealed"]', 'sealed = ["citizen_id"]'),
    ('sealed_as = "people.{column}:{citizen_id}"\n', ""),
])  # fmt: skip
def test_a_rule_that_is_none_is_refused(
    wrong: tuple[str, str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = """[people]
about = "citizen"
purpose = "names"
basis = "consent"
keep = "membership"
leaving = "erased"
key = "citizen"
sealed_as = "people.{column}:{citizen_id}"
[people.columns]
pseudonym = ["citizen_id"]
sealed = ["name_sealed"]
"""
    monkeypatch.setattr(data_inventory, "FOLDER", tmp_path)
    (tmp_path / "made_up.toml").write_text(good, encoding="utf-8")
    assert list(read_inventory.__wrapped__()) == ["people"]
    (tmp_path / "made_up.toml").write_text(good.replace(*wrong), encoding="utf-8")
    with pytest.raises(BadInventoryError):
        read_inventory.__wrapped__()

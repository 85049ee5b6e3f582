"""Nobody writes the ledger but its functions, and not even they change what was written."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.kernel.scale import TableKind
from app.ledger.models import TABLE_KINDS
from demo.servers import Database
from tests.conftest import ROOT

WRITES = ("INSERT INTO {} DEFAULT VALUES", "UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}")
IMMUTABLE = (
    "ledger_transfers",
    "ledger_entries",
    "ledger_lot_movements",
    "ledger_hold_lots",
    "ledger_anchors",
    "ledger_anchored_heads",
)
FIRST_COLUMN = {
    name: "anchor_id" if kind is TableKind.LOCAL else "citizen_id"
    for name, kind in TABLE_KINDS.items()
}


def attempt(made: Database, role: str, table: str, write: str) -> None:
    column = FIRST_COLUMN[table]
    with psycopg.connect(made.url(role), autocommit=True) as connection:
        connection.execute(write.format(table, column, column).encode())


@pytest.mark.parametrize("role", ["card_web", "card_job", "card_report"])
@pytest.mark.parametrize("table", TABLE_KINDS)
def test_no_role_of_the_application_writes(
    app: Flask, test_database: Database, role: str, table: str
) -> None:
    for write in WRITES:
        with pytest.raises(
            (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
        ):
            attempt(test_database, role, table, write)


@pytest.mark.parametrize("table", IMMUTABLE)
def test_not_even_the_owner_changes_what_was_written(
    app: Flask, test_database: Database, table: str
) -> None:
    for write in WRITES[1:]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attempt(test_database, "card_migrate", table, write)


NOT_POSTING = {"ledger_set_credit_line", "ledger_anchor_heads"}


def test_only_published_functions_can_be_called(
    admin: psycopg.Connection[Any], test_database: Database
) -> None:
    rows = admin.execute(
        "SELECT p.proname, p.prosecdef, has_function_privilege('card_web', p.oid, 'EXECUTE'),"
        "  p.provolatile, coalesce(p.proconfig, '{}')"
        " FROM pg_proc p WHERE starts_with(p.proname, 'ledger_')"
    ).fetchall()
    writers = {name for name, definer, _, volatility, _ in rows if definer and volatility == "v"}
    assert writers == {
        "ledger_grant", "ledger_grant_many", "ledger_spend", "ledger_hold", "ledger_hold_fen",
        "ledger_post_hold", "ledger_void_hold", "ledger_expire_hold", "ledger_reverse",
        "ledger_expire_lots", "ledger_sweep_hold", "ledger_transfer", "ledger_set_credit_line",
        "ledger_anchor_heads",
    }
    for name, definer, callable_by_web, volatility, configuration in rows:
        if definer:
            # A plan that was made while the tables were empty is kept: it must go by indexes.
            plans = ["enable_seqscan=off"] if name in writers - NOT_POSTING else []
            assert configuration == ["search_path=public, pg_temp", *plans], name
        elif volatility == "v":
            assert not callable_by_web, name


def test_l13_the_ledger_knows_no_fractions(admin: psycopg.Connection[Any]) -> None:
    """Neither its columns, nor its functions as they stand in the database, nor its code."""
    inexact = admin.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE starts_with(table_name, 'ledger_')"
        " AND data_type IN ('real', 'double precision', 'numeric', 'money')"
    ).fetchall()
    assert inexact == []
    functions = admin.execute(
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"
        " AND starts_with(proname, 'ledger_')"
    ).fetchall()
    assert "ledger_grant" in dict(functions)
    code = [(one.name, one.read_text()) for one in Path(ROOT / "app" / "ledger").glob("*.py")]
    for name, source in [*functions, *code]:
        found = re.findall(r"\b(float|numeric|Decimal|double precision)\b", source)
        assert found == [], name

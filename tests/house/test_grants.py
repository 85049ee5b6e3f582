"""S53: each role may do what its work needs, and nothing else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from demo.servers import Database
from tests.house.snapshots import GRANTS_FILE, grants_of

DDL = [
    "CREATE TABLE mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE outbox ADD COLUMN mine int",
    "DROP TABLE outbox",
    "TRUNCATE outbox",
    "CREATE INDEX mine ON outbox (topic)",
    "ALTER FUNCTION outbox_take(integer) OWNER TO CURRENT_USER",
    "GRANT ALL ON outbox TO CURRENT_USER",
    "CREATE ROLE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "SET ROLE card_migrate",
    "SET SESSION AUTHORIZATION postgres",
    "CREATE EXTENSION dblink",
    "COPY outbox TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid",
]
# What was written once is never changed: S46, L11, I8.
APPEND_ONLY = ("ledger_transfers", "ledger_entries", "access_trail", "trail", "sharing_log",
               "redemptions", "redemption_attempts")  # fmt: skip


def test_the_grants_are_those_that_were_read(test_database: Database) -> None:
    written = GRANTS_FILE.read_text(encoding="utf-8").splitlines()
    assert grants_of(test_database) == written, "run make snapshots and read the difference"


@pytest.mark.parametrize("role", ["card_web", "card_job", "card_report"])
def test_no_role_changes_the_schema(role: str, test_database: Database) -> None:
    with psycopg.connect(test_database.url(role), autocommit=True) as connection:
        for statement in DDL:
            with pytest.raises(psycopg.DatabaseError) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate in {"42501", "25006", "42704", "0A000"}, statement


def test_what_is_append_only_is_never_changed(
    test_database: Database, admin: psycopg.Connection[Any]
) -> None:
    rows = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    there = {row[0] for row in rows} & set(APPEND_ONLY)
    assert len(there) >= 4
    for line in grants_of(test_database):
        _role, kind, rest = line.split(" ", 2)
        if kind in {"table", "columns"} and rest.split(":")[0] in there:
            assert not {"UPDATE", "DELETE", "TRUNCATE"} & set(rest.replace("(", " ").split()), line


def test_the_report_role_only_reads(test_database: Database) -> None:
    for line in grants_of(test_database):
        if line.startswith("card_report table"):
            assert line.rpartition(": ")[2] == "SELECT"


def test_functions_with_rights_fix_their_search_path(admin: psycopg.Connection[Any]) -> None:
    loose = admin.execute("""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prosecdef
            AND NOT coalesce('search_path=public, pg_temp' = ANY (proconfig), false)
    """).fetchall()
    assert loose == []


def test_no_function_is_for_everybody(admin: psycopg.Connection[Any]) -> None:
    open_to_all = admin.execute("""
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE pronamespace = 'public'::regnamespace AND (proacl IS NULL OR EXISTS (
            SELECT FROM aclexplode(proacl) WHERE grantee = 0))
    """).fetchall()
    assert open_to_all == []

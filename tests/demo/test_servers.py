"""The demo and the tests never touch a server that a city runs on."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from demo.servers import OURS, Postgres, ServerInUseError
from demo.supervise import DATABASE
from tests.conftest import ROOT


def test_a_server_with_roles_of_somebody_else_is_refused(admin: psycopg.Connection[Any]) -> None:
    url = f"{admin.info.dsn} password={admin.info.password}"
    Postgres(admin_url=url)  # the roles of the tests' own server were made here
    admin.execute("COMMENT ON ROLE card_report IS NULL")
    before = passwords(admin)
    try:
        with pytest.raises(ServerInUseError, match="has the roles card_report, which"):
            Postgres(admin_url=url)
        assert passwords(admin) == before
    finally:
        admin.execute(f"COMMENT ON ROLE card_report IS '{OURS}'")


def passwords(admin: psycopg.Connection[Any]) -> list[Any]:
    return admin.execute(
        "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'card_%' ORDER BY 1"
    ).fetchall()


def test_the_demo_drops_a_database_of_its_own_alone() -> None:
    deploying = (ROOT / "docs/runbooks/deploy.md").read_text(encoding="utf-8")
    [of_a_city] = re.findall(r"CREATE DATABASE (\w+)", deploying)
    assert of_a_city != DATABASE

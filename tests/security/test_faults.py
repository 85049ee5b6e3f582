"""S44: the database loses a table under every route: the answer is generic and the log is silent.

tests/web/test_problems.py raises 200 exceptions of 25 kinds; here the faults are real ones.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from app.web import limits
from app.web.problems import http_problem
from tests.conftest import Sized
from tests.contract.real_requests import Real, caller_of, request_for
from tests.contract.world import World
from tests.house.routes import Route, as_openapi
from tests.house.snapshots import matrix
from tests.security.canaries import everything_logged, sightings
from tests.security.test_input import ENDING, UPLOADS
from wechat_integration.sandbox.control import SandboxControl

ROUTES = [route for route in matrix() if route.rule not in ENDING | UPLOADS]
GENERIC = {http_problem(500).data, http_problem(503).data}
# Tables that many routes read come first.
FIRST = (
    "citizen_sessions", "staff_sessions", "access_trail", "vouchers", "merchants",
    "ledger_accounts", "citizen_profiles", "benefits",
)  # fmt: skip


def tables(admin: psycopg.Connection[Any]) -> list[str]:
    """The tables, the busiest first."""
    rows = admin.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        " AND tablename NOT LIKE 'procrastinate%' AND tablename <> 'alembic_version'"
    ).fetchall()
    names = {str(row[0]) for row in rows}
    return [*(name for name in FIRST if name in names), *sorted(names - set(FIRST))]


def ask(world: World, route: Route, real: Real, headers: dict[str, str]) -> Any:
    return world.client.open(
        as_openapi(route.rule).format(**real.path), method=route.method, json=real.body,
        query_string=real.query, headers=headers,
    )


def rename(admin: psycopg.Connection[Any], table: str, to: str) -> None:
    admin.execute(
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(table), sql.Identifier(to))
    )


def test_s44_forced_faults_tell_nothing(
    world: World, sandbox: SandboxControl, sized: Sized, admin: psycopg.Connection[Any]
) -> None:
    requests = [
        (route, request_for(world, sandbox, route), caller_of(world, route)) for route in ROUTES
    ]
    person = world.theirs.person
    faults = 0
    with everything_logged() as logged:
        for table in tables(admin)[: sized(ci=4, full=1_000)]:
            limits.forget_all()
            rename(admin, table, "hidden")
            try:
                answers = [(one[0], ask(world, *one)) for one in requests]
            finally:
                rename(admin, "hidden", table)
            for route, answer in answers:
                if answer.status_code >= 500 and route.rule != "/readyz":
                    faults += 1
                    assert answer.data in GENERIC, route
                    assert "hidden" not in str(answer.headers)
    assert faults >= 60
    lines = logged.getvalue()
    ours = "\n".join(line for line in lines.splitlines() if '"logger":"app.' in line)
    assert '"error_class":"ProgrammingError"' in ours
    for told in ("SELECT", "does not exist", "Traceback", "/app/", '.py"', "postgresql://"):
        assert told not in ours, told
    assert sightings({person.id_number, str(person.phone)}, lines.encode()) == set()

"""Write what the house tests compare: `make snapshots`, then read the difference before committing.

The migration head, the seal of each new migration, the grants of the database roles, the drawings
of service orders and of the data inventory, the page of rights, and a line in the access matrix for
each new route, whose object rule a person must then write.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from alembic.script import ScriptDirectory

from app.config import Settings
from app.factory import MIGRATION_HEAD, create_app
from app.kernel.database import Base
from app.kernel.keys import new_key_document
from app.rights.data_inventory import read_inventory
from app.rights.drawing import draw_inventory, draw_schema
from app.service_orders.transitions import draw_transitions
from demo.servers import Database, Postgres
from tests.conftest import ROOT, environment, migrate
from tests.house.house import table_kinds
from tests.house.rights import RIGHTS_PAGE, page_of_rights
from tests.house.routes import UNDECIDED, Route, routes_of

GRANTS_FILE = Path(__file__).parent / "grants.txt"
MATRIX_FILE = Path(__file__).parent / "access_matrix.toml"
INVENTORY_PAGE = ROOT / "docs" / "data-inventory.md"
COPY_SCHEMA = ROOT / "docs" / "personal-copy.v1.schema.json"
ORDERS_PAGE = ROOT / "docs" / "service-orders.md"
SEALS_FILE = Path(__file__).parent / "migrations.sha256"

GRANTS = """
    WITH roles AS (SELECT unnest(ARRAY['card_web', 'card_job', 'card_report']) AS role),
    tables AS (SELECT oid, relname, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S'))
    SELECT role || ' table ' || relname || ': ' || string_agg(privilege, ' ' ORDER BY privilege)
    FROM roles, tables, unnest(CASE relkind WHEN 'S' THEN ARRAY['USAGE', 'UPDATE']
        ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
        END) AS privilege
    WHERE CASE relkind WHEN 'S' THEN has_sequence_privilege(role, oid, privilege)
        ELSE has_table_privilege(role, oid, privilege) END
    GROUP BY role, relname
    UNION ALL
    SELECT role || ' columns ' || relname || ': ' || string_agg(
        privilege || '(' || attname || ')', ' ' ORDER BY privilege, attname)
    FROM roles, tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0
        AND NOT attisdropped, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
    WHERE relkind <> 'S' AND has_column_privilege(role, tables.oid, attnum, privilege)
        AND NOT has_table_privilege(role, tables.oid, privilege)
    GROUP BY role, relname
    UNION ALL
    SELECT role || ' function ' || p.oid::regprocedure
    FROM roles, pg_proc AS p
    WHERE pronamespace = 'public'::regnamespace AND has_function_privilege(role, p.oid, 'EXECUTE')
    ORDER BY 1
"""


def grants_of(made: Database) -> list[str]:
    """What each role may do, one thing a line."""
    with psycopg.connect(made.admin_url) as connection:
        return sorted(row[0] for row in connection.execute(GRANTS).fetchall())


@cache
def matrix() -> tuple[Route, ...]:
    """The routes of the access matrix."""
    document: dict[str, Any] = tomllib.loads(MATRIX_FILE.read_text(encoding="utf-8"))
    return tuple(Route.from_document(entry) for entry in document.get("route", []))


def write_matrix(routes: list[Route]) -> None:
    """Write the matrix: what is known of objects stays, what is gone goes."""
    known = {route.key: route.objects for route in matrix()} if MATRIX_FILE.exists() else {}
    lines = [
        "# Who may call what, and which objects of a kind the caller may reach.",
        "# `make snapshots` adds new routes; write their `objects` by hand.",
    ]
    for route in sorted(routes):
        roles = ", ".join(f'"{role}"' for role in route.roles)
        lines += [
            "",
            "[[route]]",
            f'rule = "{route.rule}"',
            f'method = "{route.method}"',
            f"roles = [{roles}]",
            f"objects = {json.dumps(known.get(route.key, UNDECIDED), ensure_ascii=False)}",
        ]
    MATRIX_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def digests_of_migrations() -> dict[str, str]:
    """SHA-256 of every migration and of the SQL files beside them, by path below migrations/."""
    folder = ROOT / "migrations"
    found = [*folder.glob("versions/*.py"), *folder.glob("sql/*.sql")]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(found)
    }


def sealed_migrations() -> dict[str, str]:
    """The digests of the migrations that are on main."""
    lines = SEALS_FILE.read_text(encoding="utf-8").splitlines() if SEALS_FILE.exists() else []
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def seal_new_migrations() -> None:
    """Add the migrations that have no seal yet; a seal that is there stays."""
    sealed = {**digests_of_migrations(), **sealed_migrations()}
    lines = [f"{digest}  {name}" for name, digest in sorted(sealed.items())]
    SEALS_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def page_of_transitions() -> str:
    """The page of service orders with the diagram of the code's own table."""
    before, fence, _ = ORDERS_PAGE.read_text(encoding="utf-8").partition("```mermaid\n")
    return f"{before}{fence}{draw_transitions()}\n```\n"


def page_of_inventory() -> str:
    """The page of the data inventory with the tables of its files."""
    before, mark, _ = INVENTORY_PAGE.read_text(encoding="utf-8").partition(" -->\n")
    return f"{before}{mark}{draw_inventory(read_inventory())}\n"


def text_of_copy_schema() -> str:
    """The JSON Schema of a citizen's copy."""
    table_kinds()  # imports the models of all rooms
    return json.dumps(draw_schema(read_inventory(), Base.metadata), indent=2) + "\n"


def main() -> None:
    """Write all snapshots."""
    seal_new_migrations()
    ORDERS_PAGE.write_text(page_of_transitions(), encoding="utf-8")
    RIGHTS_PAGE.write_text(page_of_rights(), encoding="utf-8")
    COPY_SCHEMA.write_text(text_of_copy_schema(), encoding="utf-8")
    INVENTORY_PAGE.write_text(page_of_inventory(), encoding="utf-8")
    (head,) = ScriptDirectory(str(ROOT / "migrations")).get_heads()
    MIGRATION_HEAD.write_text(f"{head}\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="card-snapshots-") as directory:
        admin_url = os.environ.get("DATABASE_URL")
        place = None if admin_url else Path(directory) / "pg"
        postgres = Postgres(directory=place, admin_url=admin_url)
        keys_file = Path(directory) / "keys.json"
        keys_file.write_text(json.dumps(new_key_document()), encoding="utf-8")
        made = postgres.create_database("card_snapshots")
        migrate(made, keys_file)
        GRANTS_FILE.write_text("\n".join(grants_of(made)) + "\n", encoding="utf-8")
        write_matrix(routes_of(create_app(Settings.from_environ(environment(made, keys_file)))))
        postgres.stop()


if __name__ == "__main__":
    main()

"""Migrations go up, down and up; models and tables agree; the head is written down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import create_engine

from app.config import Settings
from app.factory import MIGRATION_HEAD, create_app
from app.kernel.database import Base
from demo.servers import Database
from tests.conftest import ROOT, environment
from tests.house.snapshots import digests_of_migrations, sealed_migrations

WHAT_THERE_IS = """
    SELECT 'column', c.table_name || '.' || c.column_name || ' ' || c.data_type || ' '
        || c.is_nullable || ' ' || coalesce(c.column_default, '')
    FROM information_schema.columns AS c WHERE c.table_schema = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'function', pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
    UNION ALL
    SELECT 'trigger', pg_get_triggerdef(t.oid) FROM pg_trigger AS t WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'type', typname FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'c', 'd') AND typrelid = 0
    UNION ALL
    SELECT 'grants', relname || ' ' || relacl::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relacl IS NOT NULL
    UNION ALL
    SELECT 'default grants', defaclobjtype::text || ' ' || defaclacl::text FROM pg_default_acl
    ORDER BY 1, 2
"""


def scripts() -> ScriptDirectory:
    return ScriptDirectory(str(ROOT / "migrations"))


@pytest.fixture
def migrating_app(
    empty_database: Database, servers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    variables = environment(empty_database, Path(servers["keys_file"]))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    app = create_app(Settings.from_environ())
    with app.app_context():
        yield app


def what_there_is(made: Database) -> list[tuple[str, str]]:
    with psycopg.connect(made.admin_url) as connection:
        return connection.execute(WHAT_THERE_IS).fetchall()


def test_there_is_one_head_and_it_is_written_down() -> None:
    assert [MIGRATION_HEAD.read_text(encoding="utf-8").strip()] == scripts().get_heads()


def test_migrations_are_numbered_in_order() -> None:
    numbers = [script.revision for script in scripts().walk_revisions()][::-1]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_a_migration_on_main_is_never_edited() -> None:
    # A city's database has run it: write a new one.  `make snapshots` seals new files alone.
    assert digests_of_migrations() == sealed_migrations()


def test_every_migration_goes_up_down_and_up(
    migrating_app: Flask, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, loaded = str(ROOT / "migrations"), scripts()
    # Each command would load every file again, which grows with the square of their number.
    monkeypatch.setattr(ScriptDirectory, "from_config", lambda *_: loaded)
    for script in [*scripts().walk_revisions()][::-1]:
        before = what_there_is(empty_database)
        flask_migrate.upgrade(directory, script.revision)
        first = what_there_is(empty_database)
        flask_migrate.downgrade(directory, script.down_revision or "base")
        if script.down_revision:  # the first step down leaves Alembic's own table
            assert what_there_is(empty_database) == before, script.revision
        flask_migrate.upgrade(directory, script.revision)
        assert what_there_is(empty_database) == first, script.revision
    flask_migrate.downgrade(directory, "base")
    left = {row for row in what_there_is(empty_database) if "alembic_version" not in row[1]}
    assert left == set()


def test_models_and_tables_agree(test_database: Database) -> None:
    url = test_database.url("card_migrate")
    engine = create_engine("postgresql+psycopg://" + url.split("://", 1)[1])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def ours(_item: object, name: str | None, kind: str, *_rest: object) -> bool:
    return not (kind == "table" and str(name).startswith("procrastinate_"))

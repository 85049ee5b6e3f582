"""Runs migrations: one at a time, with short lock waits, over a direct connection.

Two deployments that start together must not migrate together: a session-level advisory lock
makes the second wait.  `lock_timeout` keeps a migration from queueing behind a long transaction and
stopping all traffic behind itself.
"""

import importlib
import os
from pathlib import Path

from alembic import context
from flask import current_app
from sqlalchemy import create_engine, pool, text

ADVISORY_LOCK = 7_305_190_417  # any constant that nobody else uses

for models in sorted((Path(__file__).parent.parent / "app").glob("*/models.py")):
    importlib.import_module(f"app.{models.parent.name}.models")

config = context.config
database = current_app.extensions["migrate"].db


def migrate_url() -> str:
    url = os.environ.get("DATABASE_MIGRATE_URL") or current_app.config["SQLALCHEMY_DATABASE_URI"]
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def include_object(_item, name, kind, *_reflected):
    """Procrastinate's own tables and functions are not ours to compare."""
    return not (kind == "table" and name.startswith("procrastinate_"))


def run_online() -> None:
    engine = create_engine(migrate_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '3s'"))
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": ADVISORY_LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            include_object=include_object,
            compare_server_default=False,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def run_offline() -> None:
    context.configure(url=migrate_url(), target_metadata=database.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()

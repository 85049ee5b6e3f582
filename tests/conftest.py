"""Real PostgreSQL and Redis for every test; the schema comes from the real migrations.

One embedded server serves all xdist workers; each worker has a database of its own, a copy of one
that the migrations have built.  The `app` fixture runs a test inside an outer transaction that is
rolled back; `committing_app` is for races and faults, which need real commits.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
import redis
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from psycopg import sql
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session, SessionTransaction

from app.config import Settings
from app.factory import create_app
from app.kernel import database
from app.kernel.database import close_connections, db
from app.kernel.hot import HotConnection
from app.kernel.keys import new_key_document
from app.members import staff
from app.web import limits
from demo.servers import Database, Postgres, ServerInUseError, free_port, start_redis
from wechat_integration.sandbox.control import SandboxControl
from wechat_integration.sandbox.pay_keys import made_up_pay_keys
from wechat_integration.sandbox.server import SandboxServer
from wechat_integration.sandbox.settings import SandboxSettings

ROOT = Path(__file__).parent.parent
SERVER_VARIABLE = "CARD_TEST_SERVERS"
# On a busy machine a slow Redis is not a dead one; processes that tests start keep the usual limit.
limits.REDIS_SECONDS_MAX = 30
# A staff password costs as much as fifty requests: tests about passwords ask for `real_passwords`.
PRODUCTION_HASHER = staff.HASHER
staff.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
# Only the machine's own crash loses what is not synced, and then the tests are gone too.
UNSYNCED = ("fsync", "synchronous_commit", "full_page_writes")
VACUUM_MIN_ROWS = 1_000
_counted_at: dict[str | None, object] = {}


def pytest_configure(config: pytest.Config) -> None:
    """The first process starts the servers; xdist workers inherit their addresses."""
    config.addinivalue_line("markers", "sized: has a larger size, which `make chaos` runs")
    if SERVER_VARIABLE in os.environ or config.option.collectonly:
        return
    directory = Path(tempfile.mkdtemp(prefix="card-tests-"))
    admin_url = os.environ.get("DATABASE_URL")
    try:
        postgres = (
            Postgres(admin_url=admin_url) if admin_url else Postgres(directory=directory / "pg")
        )
    except ServerInUseError as error:
        raise pytest.UsageError(str(error)) from error
    if admin_url is None:
        _forget_durability(postgres.admin_url)
    port = free_port()
    redis_process = start_redis(port=port, directory=directory)
    keys_file = directory / "keys.json"
    keys_file.write_text(json.dumps(new_key_document()), encoding="utf-8")
    os.environ[SERVER_VARIABLE] = json.dumps({
        "admin_url": postgres.admin_url,
        "password": postgres._password,  # noqa: SLF001 -- handed to the workers
        "redis_port": port,
        "keys_file": str(keys_file),
        "template": f"card_template_{os.getpid()}",
    })

    def stop() -> None:
        _drop_database(postgres.admin_url, f"card_template_{os.getpid()}")
        redis_process.terminate()
        redis_process.wait(timeout=10)
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)
        os.environ.pop(SERVER_VARIABLE, None)

    config.add_cleanup(stop)


def _forget_durability(admin_url: str) -> None:
    """Wait for no disk; a server that a test breaks is another one (tests/faults)."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for name in UNSYNCED:
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for `sized` belongs to `make chaos`."""
    for item in items:
        if "sized" in getattr(item, "fixturenames", ()):
            item.add_marker("sized")


class Sized(Protocol):
    """Picks a size: small enough for every run, or the full one of `make chaos`."""

    def __call__(self, *, ci: int, full: int) -> int: ...


def size(*, ci: int, full: int) -> int:
    """How much to do in this run."""
    return full if os.environ.get("CARD_TEST_SIZE") == "full" else ci


@pytest.fixture(scope="session")
def sized() -> Sized:
    """`sized(ci=1_000, full=10_000)`: how much to do in this run."""
    return size


@pytest.fixture(scope="session")
def servers() -> dict[str, Any]:
    """Addresses of the servers of this run."""
    found: dict[str, Any] = json.loads(os.environ[SERVER_VARIABLE])
    return found


@pytest.fixture(scope="session")
def test_database(servers: dict[str, Any], worker_id: str) -> Iterator[Database]:
    """This worker's database, as the real migrations have built it."""
    with fresh_database(servers, f"card_test_{worker_id}", template=_migrated(servers)) as made:
        yield made


def _migrated(servers: dict[str, Any]) -> str:
    """The database that all workers copy; the first to ask builds it while the others wait."""
    template: str = servers["template"]
    with psycopg.connect(servers["admin_url"], autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (template,))
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (template,))
        if found.fetchone() is None:
            half_built = f"{template}_half_built"
            made = _create_database(servers, half_built, "template1")
            migrate(made, Path(servers["keys_file"]))
            connection.execute(f'ALTER DATABASE "{half_built}" RENAME TO "{template}"')
    return template


@contextmanager
def fresh_database(
    servers: dict[str, Any], name: str, template: str = "template1"
) -> Iterator[Database]:
    """A copy of a database (by default an empty one) on the test server, dropped at the end."""
    yield _create_database(servers, name, template)
    _drop_database(servers["admin_url"], name)


def _create_database(servers: dict[str, Any], name: str, template: str) -> Database:
    admin_url = servers["admin_url"]
    _drop_database(admin_url, name)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(
            f'CREATE DATABASE "{name}" OWNER card_migrate TEMPLATE "{template}" STRATEGY file_copy'
        )
    base, _, query = admin_url.partition("?")
    url = base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
    return Database(name, url, servers["password"])


def _drop_database(admin_url: str, name: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def environment(made: Database, keys_file: Path, **extra: str) -> dict[str, str]:
    """The environment of a process on this database."""
    return {
        "DATABASE_URL": made.url("card_web"),
        "DATABASE_MIGRATE_URL": made.url("card_migrate"),
        "CARD_KEYS_FILE": str(keys_file),
        "WECHAT_BASE_URL": "http://127.0.0.1:9",
        "WECHAT_APP_ID": "wx-test",
        "WECHAT_APP_SECRET": "wechat-test-secret",
        "WECHAT_REDEEMED_TEMPLATE_ID": "template-redeemed",
        "REAL_NAME_URL": "http://127.0.0.1:9/realname/check",
        "REAL_NAME_SECRET": "real-name-test-secret-of-32-bytes-and-more",
        "CARD_WEBHOOKS_TO_LOOPBACK": "1",
        **extra,
    }


def migrate(made: Database, keys_file: Path, revision: str = "head") -> None:
    """Bring a database to a revision with the command that operators use."""
    verb = "upgrade" if revision == "head" or not revision.startswith("-") else "downgrade"
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", verb, "--", revision],
        check=True,
        cwd=ROOT,
        env={**os.environ, **environment(made, keys_file)},
        capture_output=True,
    )


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    """The stand-in for WeChat and the real-name service, one per worker."""
    quick = SandboxSettings(pay_waits_seconds=(0.05,) * 9, pay_notice_more_times=2)
    with SandboxServer(settings=quick) as server:
        yield server


@pytest.fixture(scope="session")
def sandbox_control(sandbox_server: SandboxServer) -> Iterator[SandboxControl]:
    """The remote control of the sandbox; tests ask for `sandbox`."""
    with SandboxControl(base_url=sandbox_server.base_url) as control:
        yield control


@pytest.fixture
def sandbox(sandbox_control: SandboxControl) -> Iterator[SandboxControl]:
    """The remote control of the sandbox, which has forgotten everything before."""
    sandbox_control.reset()
    yield sandbox_control
    sandbox_control.clear_faults()


def sandbox_environment(server: SandboxServer) -> dict[str, str]:
    """The part of a process's environment that points at the sandbox."""
    believed = SandboxSettings()
    return {
        "WECHAT_BASE_URL": server.base_url,
        "WECHAT_APP_ID": believed.app_id,
        "WECHAT_APP_SECRET": believed.app_secret,
        "REAL_NAME_URL": server.base_url,
        "REAL_NAME_KEY_ID": believed.realname_key_id,
        "REAL_NAME_SECRET": believed.realname_key,
        "SMS_URL": server.base_url,
        "SMS_KEY_ID": believed.realname_key_id,
        "SMS_SECRET": believed.realname_key,
    }


@pytest.fixture(scope="session")
def pay_account(
    sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The file about the account at the sandbox's WeChat Pay; notices go to a free port."""
    facts = made_up_pay_keys().account(
        app_id=SandboxSettings().app_id, base_url=sandbox_server.base_url,
        notify_url=f"http://127.0.0.1:{free_port()}/wechat/pay-score",
    )
    file = tmp_path_factory.mktemp("pay") / "account.json"
    file.write_text(json.dumps(facts), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def redis_url(servers: dict[str, Any], worker_id: str) -> str:
    """This worker's database on the Redis of the run."""
    number = int(worker_id.removeprefix("gw")) % 16 if worker_id.startswith("gw") else 0
    return f"redis://127.0.0.1:{servers['redis_port']}/{number}"


@pytest.fixture(scope="session")
def settings(
    servers: dict[str, Any],
    test_database: Database,
    sandbox_server: SandboxServer,
    redis_url: str,
    pay_account: Path,
) -> Settings:
    """Settings of the web role on this worker's database."""
    keys_file = Path(servers["keys_file"])
    return Settings.from_environ(
        environment(
            test_database, keys_file, REDIS_URL=redis_url, WECHAT_PAY_FILE=str(pay_account),
            WECHAT_ORDER_DUE_TEMPLATE_ID="template-due",
            WECHAT_ORDER_OVER_TEMPLATE_ID="template-over",
            WECHAT_SHOWN_AGAIN_TEMPLATE_ID="template-shown-again",
            **sandbox_environment(sandbox_server),
        )
    )


@pytest.fixture(scope="session")
def session_app(settings: Settings) -> Iterator[Flask]:
    """One application per worker."""
    app = create_app(settings)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    with app.app_context():
        close_connections()


@pytest.fixture(scope="session")
def worker_app(settings: Settings, test_database: Database) -> Iterator[Flask]:
    """The application with the worker's rights; to make one takes as long as fifty requests."""
    app = create_app(replace(settings, database_url=test_database.url("card_job")))
    yield app
    with app.app_context():
        close_connections()


def forget_limits(app: Flask) -> None:
    """Forget the counts, where this application counts: the last one made in a process decides."""
    url = app.extensions["card_settings"].redis_url
    limiter = limits.limiter
    if _counted_at.get(url) is not limiter._storage:  # noqa: SLF001 -- of another test's application
        limits.configure_limits(Flask("limits"), redis_url=url)
        _counted_at[url] = limiter._storage  # noqa: SLF001 -- the extension tells it to nobody
    limiter._storage_dead = False  # noqa: SLF001 -- a fault of an earlier test
    limits.forget_all()


@pytest.fixture
def app(session_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application inside an outer transaction that is rolled back after the test."""
    forget_limits(session_app)
    with session_app.app_context():
        connection = db.engine.connect()
        outer = connection.begin()
        connection.execute(text("SELECT 1"))  # the driver begins with the first statement
        original = Session.__init__

        def joined(self: Session, *args: Any, **kwargs: Any) -> None:
            kwargs.update(join_transaction_mode="create_savepoint")
            original(self, *args, **kwargs)

        monkeypatch.setattr(Session, "__init__", joined)
        # The extension's session class has a get_bind of its own, which hides the one above it.
        bound = type(db.session())
        monkeypatch.setattr(bound, "get_bind", lambda *_, **__: connection)
        db.session.remove()
        monkeypatch.setattr(database, "hot_connections", _savepoint_of(connection))
        event.listen(Session, "after_begin", _outside_the_wall)
        yield session_app
        event.remove(Session, "after_begin", _outside_the_wall)
        db.session.remove()
        outer.rollback()
        connection.close()


def _outside_the_wall(_: Session, begun: SessionTransaction, connection: Connection) -> None:
    """What is local to a transaction would stay: here all transactions are parts of one."""
    if not begun.nested:
        connection.execute(text("SELECT set_config('card.merchant_id', '', true)"))


def _savepoint_of(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    # Sessions and hot calls share this connection; at a rollback the driver would forget all
    # statements, the hot ones too, if it had prepared any.
    driver.execute("DEALLOCATE ALL")
    driver.prepare_threshold = None
    shared = HotConnection(driver)

    @contextmanager
    def hot() -> Iterator[HotConnection]:
        with driver.transaction():
            yield shared

    return hot


@pytest.fixture
def real_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed at the cost of production."""
    monkeypatch.setattr(staff, "HASHER", PRODUCTION_HASHER)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An HTTP client inside the rolled-back transaction."""
    return app.test_client()


@pytest.fixture
def committing_app(session_app: Flask, test_database: Database) -> Iterator[Flask]:
    """The application with real commits; all data is removed after the test."""
    forget_limits(session_app)
    yield session_app
    with session_app.app_context():
        db.session.remove()
    truncate_all(test_database)


@pytest.fixture
def job_app(committing_app: Flask, worker_app: Flask) -> Iterator[Flask]:
    """The application with the worker's rights, beside the one that commits."""
    yield worker_app
    with worker_app.app_context():
        db.session.remove()
        close_connections()


def truncate_all(made: Database) -> None:
    """Empty every table that no migration fills, as the administrator.

    Almost all are empty or small: looking and deleting takes a hundredth of TRUNCATE's time.
    """
    with psycopg.connect(made.admin_url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT IN"  # filled by migrations
            " ('alembic_version', 'consent_texts', 'commitment_texts')"
        ).fetchall()
        names = [sql.Identifier(row[0]) for row in rows]
        if not names:
            return
        look = sql.SQL("SELECT {}").format(sql.SQL(", ").join(
            sql.SQL("EXISTS (SELECT FROM {})").format(name) for name in names
        ))
        large = []
        with connection.transaction():
            # Waits for whoever still writes, as TRUNCATE does.
            connection.execute(sql.SQL("LOCK TABLE {}").format(sql.SQL(", ").join(names)))
            connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
            filled = connection.execute(look).fetchone() or ()
            for name in itertools.compress(names, filled):
                deleted = connection.execute(sql.SQL("DELETE FROM {}").format(name))
                large += [name] * (deleted.rowcount > VACUUM_MIN_ROWS)
        for name in large:
            connection.execute(sql.SQL("VACUUM {}").format(name))


@pytest.fixture
def admin(test_database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection, for setting up faults and looking behind the scenes."""
    with psycopg.connect(test_database.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """This worker's database on the Redis of the run."""
    with redis.Redis.from_url(redis_url, socket_timeout=2) as made:
        yield made

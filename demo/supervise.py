"""The whole service on one machine: servers, sandbox, web, worker; nothing is left behind.

`DATABASE_URL` (a role that may create databases and roles) and `REDIS_URL` point at servers of your
own instead of the embedded ones.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from app.kernel.keys import completed
from demo.processes import ROOT, Managed, ProcessFailedError, Watch
from demo.servers import Database, Postgres, free_port, running_redis
from wechat_integration.sandbox.pay_keys import kept_pay_keys
from wechat_integration.sandbox.settings import SandboxSettings

READY_SECONDS_MAX = 60
DATABASE = "card_demo"  # dropped at each start: never the name of a city's own


@dataclass(frozen=True)
class Stack:
    """A running service."""

    base_url: str
    sandbox_url: str
    redis_url: str
    database: Database
    log_directory: Path
    environment: dict[str, str] = field(repr=False)  # of the web role
    web: Managed
    worker: Managed
    sandbox: Managed
    watch: Watch = field(repr=False)

    def wait(self, seconds: float | None = None) -> None:
        """Serve until a signal comes or a process fails for good."""
        self.watch.wait(seconds)

    def wait_until_ready(self, seconds_max: float = READY_SECONDS_MAX) -> None:
        """Return when /readyz answers 200; ProcessFailedError when it does not in time."""
        deadline = time.monotonic() + seconds_max
        with httpx.Client(base_url=self.base_url, timeout=2, trust_env=False) as client:
            while not _answers_ready(client):
                self.wait(0.05)
                if time.monotonic() > deadline:
                    raise ProcessFailedError(self.web.last_words())


def _answers_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def running_stack(
    *,
    directory: Path = ROOT / "var",
    database: Database | None = None,
    redis_url: str | None = None,
    extra: dict[str, str] | None = None,
    port: int | None = None,
    fresh: bool = False,
    machines: bool = False,
) -> Iterator[Stack]:
    """The service for the duration of the block, ready when the block begins.

    Without `database` the database `card` is used, on the server of `DATABASE_URL` or an embedded
    one in `directory`; `fresh` empties it first.  `extra` are environment variables of the
    processes; with `machines` self-service machines are answered too.  SIGTERM ends the block like
    SIGINT does.
    """
    directory.mkdir(parents=True, exist_ok=True)
    logs = directory / "log"
    logs.mkdir(exist_ok=True)
    with ExitStack() as cleanup:
        cleanup.enter_context(_terminable())
        own: dict[str, str] = {}
        if database is None:
            database = cleanup.enter_context(_database(directory, fresh=fresh))
            own["CARD_DELETION_JOURNAL"] = str(deletion_journal(directory, fresh=fresh))
        if redis_url is None:
            redis_url = cleanup.enter_context(running_redis())
        port, sandbox_port = port or free_port(), free_port()
        common = process_environment(directory, sandbox_port, REDIS_URL=redis_url) | {
            **own,
            **pay_score(directory, port=port, sandbox_port=sandbox_port),
            "CARD_WEB_BIND": f"127.0.0.1:{port}",
            "LIBRARY_BIND": f"127.0.0.1:{free_port()}",
            "PROMETHEUS_MULTIPROC_DIR": str(directory / f"metrics-{port}"),
            **(extra or {}),
        }
        web_environment = common | {"DATABASE_URL": database.url("card_web")}
        migrate(web_environment | {"DATABASE_MIGRATE_URL": database.url("card_migrate")})
        web = Managed("web", web_environment, logs / "web.log")
        worker = Managed(
            "worker", common | {"DATABASE_URL": database.url("card_job")}, logs / "worker.log"
        )
        sandbox = Managed("sandbox", common, logs / "sandbox.log")
        more = [Managed("library", web_environment, logs / "library.log")] if machines else []
        watch = cleanup.enter_context(_running([sandbox, web, worker, *more]))
        stack = Stack(
            base_url=f"http://127.0.0.1:{port}",
            sandbox_url=common["WECHAT_BASE_URL"],
            redis_url=redis_url,
            database=database,
            log_directory=logs,
            environment=web_environment,
            web=web,
            worker=worker,
            sandbox=sandbox,
            watch=watch,
        )
        stack.wait_until_ready()
        yield stack


@contextmanager
def _running(processes: list[Managed]) -> Iterator[Watch]:
    watch = Watch(processes)
    try:
        for process in processes:
            process.log_file.unlink(missing_ok=True)
            process.start()
        watch.start()
        yield watch
    finally:
        watch.stop()
        for process in reversed(processes):
            process.ask_to_stop()
        for process in reversed(processes):
            process.stop()


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM unwind the stack as SIGINT does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _database(directory: Path, *, fresh: bool) -> Iterator[Database]:
    admin_url = os.environ.get("DATABASE_URL")
    postgres = (
        Postgres(admin_url=admin_url)
        if admin_url
        else Postgres(directory=postgres_directory(directory))
    )
    try:
        yield postgres.create_database(DATABASE) if fresh else postgres.ensure_database(DATABASE)
    finally:
        postgres.stop()


def postgres_directory(directory: Path) -> Path:
    """`pg` in the directory; elsewhere when root runs below a folder that others cannot enter.

    PostgreSQL refuses to run as root, so that the embedded one then runs as another user.
    """
    parents = [directory.resolve(), *directory.resolve().parents]
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in parents):
        return directory / "pg"
    name = "card-pg" + directory.resolve().as_posix().replace("/", "-")
    return Path(tempfile.gettempdir()) / name


def process_environment(
    directory: Path, sandbox_port: int, **extra: str
) -> dict[str, str]:
    """The variables of every process of a stack; the key ring lies in the directory."""
    believed = SandboxSettings()
    sandbox_url = f"http://127.0.0.1:{sandbox_port}"
    return {
        **os.environ,
        "CARD_KEYS_FILE": str(keys_file(directory)),
        "SANDBOX_PORT": str(sandbox_port),
        "WECHAT_BASE_URL": sandbox_url,
        "WECHAT_APP_ID": believed.app_id,
        "WECHAT_APP_SECRET": believed.app_secret,
        "WECHAT_REDEEMED_TEMPLATE_ID": "redeemed-template-of-the-demo",
        "REAL_NAME_URL": sandbox_url,
        "REAL_NAME_KEY_ID": believed.realname_key_id,
        "REAL_NAME_SECRET": believed.realname_key,
        "SMS_URL": sandbox_url,
        "SMS_KEY_ID": believed.realname_key_id,
        "SMS_SECRET": believed.realname_key,
        **extra,
    }


def deletion_journal(directory: Path, *, fresh: bool) -> Path:
    """Who left the database `card`; a database that is emptied knows of nobody in it."""
    path = directory / "deletion-journal.jsonl"
    if fresh:
        path.unlink(missing_ok=True)
    return path


def pay_score(directory: Path, *, port: int, sandbox_port: int) -> dict[str, str]:
    """The variables of the account at the sandbox's WeChat Pay; its keys lie in the directory."""
    keys_path, account_path = directory / "pay-keys.json", directory / "pay-account.json"
    account = kept_pay_keys(keys_path).account(
        app_id=SandboxSettings().app_id, base_url=f"http://127.0.0.1:{sandbox_port}",
        notify_url=f"http://127.0.0.1:{port}/wechat/pay-score",
    )
    write_secret(account_path, account)
    return {"SANDBOX_PAY_KEYS": str(keys_path), "WECHAT_PAY_FILE": str(account_path)}


def write_secret(path: Path, document: dict[str, Any]) -> None:
    """Write a file that its owner alone can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(document, file)


def keys_file(directory: Path) -> Path:
    """The key ring of this directory, made once, readable by its owner alone.

    A key for a purpose that is new is added.
    """
    path = directory / "keys.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ring = completed(known)
    if ring != known:
        write_secret(path, ring)
    return path


def migrate(environment: dict[str, str]) -> None:
    """Bring the database to the newest schema; ProcessFailedError with the last words."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessFailedError(f"the migrations failed:\n{done.stderr[-2000:]}")

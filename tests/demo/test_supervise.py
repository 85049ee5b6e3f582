"""The whole service starts, heals, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from demo.processes import ProcessFailedError
from demo.servers import Database
from demo.supervise import Stack, running_stack
from tests.conftest import ROOT, fresh_database

WAIT_SECONDS = 60
STOP_WAIT_SECONDS = 120  # every process of a stack may take its STOP_SECONDS_MAX
# A shell starts what it runs in the background with SIGINT ignored; this one shall listen.
ALONE = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from demo.supervise import running_stack
with running_stack(directory=pathlib.Path(sys.argv[1])) as stack:
    print(stack.base_url, flush=True)
    stack.wait()
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def is_ready(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.base_url}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_what_is_killed_comes_back(
    servers: dict[str, Any], test_database: Database, tmp_path: Path
) -> None:
    name = f"{test_database.name}_stack"
    redis_url = f"redis://127.0.0.1:{servers['redis_port']}/15"
    with (
        fresh_database(servers, name, template=servers["template"]) as database,
        running_stack(directory=tmp_path, database=database, redis_url=redis_url) as stack,
    ):
        assert is_ready(stack)
        for secret in ("keys.json", "pay-keys.json", "pay-account.json"):
            assert (tmp_path / secret).stat().st_mode & 0o777 == 0o600
        master = psutil.Process(stack.web.pid)
        wait_until(lambda: len(master.children()) == 2)
        first = master.children()[0]
        first.kill()
        wait_until(lambda: len(master.children()) == 2 and first not in master.children())
        for process in (stack.worker, stack.web):
            before = process.pid
            process.kill()
            wait_until(lambda name=process, old=before: name.pid != old and name.is_alive())  # type: ignore[misc]
        wait_until(lambda: is_ready(stack))
        assert (stack.web.restarts, stack.worker.restarts) == (1, 1)
        text = httpx.get(f"{stack.base_url}/metrics", trust_env=False).text
        assert 'card_http_requests_total{method="GET",route="/readyz",status="200"}' in text
        pids = [stack.web.pid, stack.worker.pid, stack.sandbox.pid]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert '"logger":"app.access"' not in (tmp_path / "log" / "web.log").read_text("utf-8")


def test_what_cannot_start_is_told(
    servers: dict[str, Any], test_database: Database, tmp_path: Path
) -> None:
    name = f"{test_database.name}_stack"
    redis_url = f"redis://127.0.0.1:{servers['redis_port']}/15"
    with (
        fresh_database(servers, name, template=servers["template"]) as database,
        pytest.raises(ProcessFailedError, match="CARD_JOB_CONCURRENCY must be a whole number"),
        running_stack(
            directory=tmp_path,
            database=database,
            redis_url=redis_url,
            extra={"CARD_JOB_CONCURRENCY": "many"},
        ),
    ):
        pass
    with (
        fresh_database(servers, name, template=servers["template"]) as database,
        pytest.raises(ProcessFailedError, match="web does not stay up"),
        running_stack(
            directory=tmp_path,
            database=database,
            redis_url=redis_url,
            extra={"CARD_WEB_WORKERS": "many"},
        ),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_process(number: int, tmp_path: Path) -> None:
    variables = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, str(tmp_path)],
        cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as alone:  # fmt: skip
        assert alone.stdout is not None
        assert alone.stdout.readline().startswith(b"http://127.0.0.1:")
        assert str(tmp_path) in processes_of(tmp_path)
        started = psutil.Process(alone.pid).children(recursive=True)
        assert len(started) >= 6
        alone.send_signal(number)
        alone.communicate(timeout=STOP_WAIT_SECONDS)
    assert alone.returncode != 0
    wait_until(lambda: not any(process.is_running() for process in started))
    assert processes_of(tmp_path) == ""


def processes_of(directory: Path) -> str:
    """The command lines of all processes that name a directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(directory) in line and process.pid != os.getpid():
            found.append(line)
    return "\n".join(found)

"""The web service alone, as its own process, on servers that a test has prepared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from demo.processes import Managed
from demo.servers import free_port
from tests.faults.city import wait_until


@dataclass(frozen=True)
class Served:
    """A running web service."""

    client: httpx.Client
    process: Managed

    def workers(self) -> set[int]:
        """The process ids of gunicorn's workers."""
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def status(self, path: str) -> int:
        """The status of a GET; 0 when nothing answers."""
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0


@contextmanager
def serving(environment: Mapping[str, str], directory: Path) -> Iterator[Served]:
    """One gunicorn worker with four threads, by the command of the Procfile."""
    bind = f"127.0.0.1:{free_port()}"
    variables = {
        "CARD_WEB_WORKERS": "1", "CARD_WEB_THREADS": "4", **environment, "CARD_WEB_BIND": bind,
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),
    }
    process = Managed("web", variables, directory / "web.log")
    limits = httpx.Limits(max_connections=64)
    with httpx.Client(
        base_url=f"http://{bind}", timeout=15, trust_env=False, limits=limits
    ) as client:
        served = Served(client, process)
        try:
            process.start()
            wait_until(lambda: served.status("/livez") == httpx.codes.OK, "the web service")
            yield served
        finally:
            process.stop()

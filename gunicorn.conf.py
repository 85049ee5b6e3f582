"""How gunicorn runs the web service; CARD_WEB_* variables change it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

# The directory must be named before prometheus_client is imported, and hold nothing at the start:
# what dead processes left would be counted again.
MADE_METRICS = "PROMETHEUS_MULTIPROC_DIR" not in os.environ
if MADE_METRICS:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="card-metrics-")
METRICS = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])

from prometheus_client import multiprocess  # noqa: E402 -- see above

from app.kernel.processes import leave_no_core  # noqa: E402 -- see above
from app.web.logs import logging_settings  # noqa: E402 -- see above

leave_no_core()

wsgi_app = "wsgi:app"
bind = os.environ.get("CARD_WEB_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("CARD_WEB_WORKERS", "2"))
threads = int(os.environ.get("CARD_WEB_THREADS", "4"))
worker_class = "app.web.worker.Worker"  # gthread, with refusals of our own
preload_app = False  # the application is each worker's own: no connection is shared over a fork
timeout = 30  # a silent worker is killed; well above statement_timeout (5 s) plus 5 s
graceful_timeout = 30  # a request in flight may finish after SIGTERM
keepalive = 5
backlog = 512
limit_request_line = 4_094
limit_request_fields = 50
limit_request_field_size = 8_190
accesslog = None  # app.access writes a line without query string
logconfig_dict = logging_settings(os.environ.get("CARD_LOG_LEVEL", "INFO"))
control_socket_disable = True

# The code is loaded once, before workers are forked: one that was killed is replaced at once, and
# they share its memory.  Each makes its own application, with its own keys and connections.
gc.disable()  # nothing that is loaded here is garbage
import app.factory  # noqa: E402, F401 -- see above

gc.enable()


def on_starting(_server: Any) -> None:
    """Leave what is loaded to all workers as it is, and empty the metrics of the last start."""
    gc.freeze()
    METRICS.mkdir(parents=True, exist_ok=True)
    for old in METRICS.glob("*.db"):
        old.unlink()


def post_worker_init(_worker: Any) -> None:
    """Leave what was loaded alone: the collector would walk through all of it again and again."""
    gc.collect()
    gc.freeze()


def child_exit(_server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that is gone."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Take the directory of the metrics along, if it is ours."""
    if MADE_METRICS:
        shutil.rmtree(METRICS, ignore_errors=True)

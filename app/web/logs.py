"""JSON log lines that hold no personal data.

A line has the request id, the route's rule, status and duration; never a query string, a body or
the text of an exception, which may quote what the caller sent: its class and place stand instead.
Lines of other libraries are reduced to their template: their arguments are not ours to judge.
"""

from __future__ import annotations

import logging
import logging.config
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter

from app.kernel.context import request_id

OUR_LOGGERS = ("app", "wechat_integration")
_STANDARD = frozenset(RESERVED_ATTRS) | {"taskName"}


class PrivateFormatter(OrjsonFormatter):
    """One JSON object per line, without what may be personal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        ours = record.name.split(".")[0] in OUR_LOGGERS
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage() if ours else _template(record),
        }
        if known := request_id.get():
            line["request_id"] = known
        if ours:
            extra = record.__dict__.items()
            line.update((name, value) for name, value in extra if name not in _STANDARD)
        if record.exc_info and record.exc_info[0] is not None:
            line["error_class"] = record.exc_info[0].__name__
            line["at"] = place(record.exc_info[2])
        return self.serialize_log_record(line)


def _template(record: logging.LogRecord) -> str:
    if record.name.startswith("procrastinate"):  # it writes the arguments of jobs into its messages
        return str(getattr(record, "action", "job"))
    return str(record.msg)


def place(trace: TracebackType | None) -> str:
    """Module and line of the innermost frame of a traceback."""
    found = ""
    while trace is not None:
        found = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


# What no line of ours says need not be looked up for each of them ("Optimization" in the manual).
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def logging_settings(level: str) -> dict[str, Any]:
    """The settings for `logging.config.dictConfig` and gunicorn's `logconfig_dict`."""
    quiet = ("procrastinate", "markdown_it", "httpx", "httpcore", "alembic", "sqlalchemy")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"private": {"()": PrivateFormatter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "private"},
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            **{name: {"level": "WARNING"} for name in quiet},
            "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def configure_logging(level: str) -> None:
    """Send every line of this process to stderr in this form."""
    logging.config.dictConfig(logging_settings(level))

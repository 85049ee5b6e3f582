"""gunicorn's thread worker, whose own refusals are ours.

What cannot be read as HTTP never reaches the application: gunicorn would answer with a page, and
write what the caller sent, tokens and numbers among it, into the log.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from app.web.edge import unread_answer
from app.web.logs import place

log = logging.getLogger(__name__)

# Others that cannot be read are 400.
_STATUS_BY_KIND: dict[type[Exception], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
    # What the application would send is its own fault.
    errors.InvalidResponseHeader: 500,
    errors.InvalidResponseHeaderName: 500,
}


class Worker(ThreadWorker):
    """Answers what is no request with a problem document, and quotes nobody."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002
        """Answer instead of the application; the connection is closed after it."""
        status = status_of(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            where = place(exc.__traceback__)
            log.error("server error", extra={"error_class": type(exc).__name__, "at": where})
        try:
            write_nonblock(client, unread_answer(status))
        except OSError:
            log.debug("nobody was there for the answer")


def status_of(error: Exception) -> int:
    """The HTTP status of what gunicorn could not read, or of what failed in between: 500."""
    known = _STATUS_BY_KIND.get(type(error))
    return known or (400 if isinstance(error, errors.ParseException) else 500)

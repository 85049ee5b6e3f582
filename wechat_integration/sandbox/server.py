"""Running the sandbox: a threaded server on one address, started and stopped cleanly."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from werkzeug.serving import WSGIRequestHandler, make_server

from wechat_integration.sandbox.app import create_sandbox

if TYPE_CHECKING:
    from types import TracebackType

    from wechat_integration.sandbox.settings import SandboxSettings

_POLL_SECONDS = 0.05


class _QuietHandler(WSGIRequestHandler):
    """Writes no access log: WeChat's interfaces carry secrets in the address."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Say nothing, also when a caller hangs up in the middle of an answer."""


class SandboxServer:
    """A running sandbox, as a context manager; port 0 picks a free one."""

    def __init__(
        self, *, settings: SandboxSettings, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        app = create_sandbox(settings=settings)
        self._server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True
        )

    @property
    def base_url(self) -> str:
        """Return the address that callers use, without a slash at the end."""
        host = f"[{self._server.host}]" if ":" in self._server.host else self._server.host
        return f"http://{host}:{self._server.port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port; requests that still hang are dropped."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

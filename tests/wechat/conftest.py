"""What tests of collecting by Pay Score begin with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.config import Settings
from tests.ledger.checks import assert_ledger_balances
from tests.wechat.collecting import Collecting, make_collecting, pay_score_account
from wechat_integration.sandbox.control import SandboxControl


@pytest.fixture
def served(committing_app: Flask, settings: Settings) -> Iterator[None]:
    """The application where WeChat sends its notices."""
    assert settings.wechat_pay_file is not None
    account = pay_score_account(settings)
    port = urlsplit(str(account["notify_url"])).port
    server = make_server("127.0.0.1", port or 0, committing_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def collecting(
    committing_app: Flask, worker_app: Flask, sandbox: SandboxControl
) -> Iterator[Collecting]:
    yield make_collecting(committing_app, worker_app, sandbox)
    with committing_app.app_context():
        assert_ledger_balances()

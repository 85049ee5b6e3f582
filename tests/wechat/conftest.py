"""What tests of collecting by Pay Score begin with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.config import Settings
from tests.ledger.checks import assert_ledger_balances
from tests.members.api import claims_of, join, made_up_person
from tests.redemptions.builders import Citizen, give_consent, make_clerk, make_merchant, set_tier
from tests.service_orders.shop import Shop, make_line
from tests.wechat.collecting import Collecting, pay_score_account
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
    app = committing_app
    person = made_up_person(sandbox)
    tokens = join(app.test_client(), sandbox, person).get_json()
    claims = claims_of(tokens["access_token"])
    holder = Citizen(
        UUID(claims["sub"]), UUID(claims["sid"]),
        {"Authorization": f"Bearer {tokens['access_token']}"},
    )  # fmt: skip
    set_tier(app, holder.citizen_id, "AA")
    give_consent(app, holder.citizen_id, "rental")
    merchant_id = make_merchant(app)
    line_id = make_line(app, merchant_id, collection="pay_score")
    clerk = make_clerk(app, merchant_id=merchant_id)
    sandbox.permit_pay_score(openid=person.openid)
    yield Collecting(Shop(app.test_client(), line_id, clerk, holder), worker_app, person.openid)
    with app.app_context():
        assert_ledger_balances()

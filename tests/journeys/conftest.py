"""A fresh town for every journey; whatever happened in it, the books are right afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask

from demo.load import prepare_programme, publish_benefits
from tests.conftest import ROOT
from tests.journeys.town import Town
from tests.ledger.checks import assert_ledger_balances
from tests.members.api import bearer, staff_tokens
from tests.redemptions.checks import (
    assert_effects_have_their_jobs,
    assert_redemptions_agree,
    outbox_in_sight,
)
from wechat_integration.sandbox.control import SandboxControl

BENEFITS = ROOT / "app" / "benefits" / "catalogues" / "jinhua.toml"


@pytest.fixture
def town(
    app: Flask, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> Iterator[Town]:
    """What engineers do by command is done: scoring rules, benefits, an operator.

    I1 to I11 hold at the end of every journey.
    """
    client = app.test_client()
    prepare_programme()
    publish_benefits(BENEFITS.read_text(encoding="utf-8"))
    yield Town(client, sandbox, bearer(staff_tokens(app, client)["access_token"]))
    assert_ledger_balances()
    assert_redemptions_agree()
    with outbox_in_sight(admin):
        assert_effects_have_their_jobs()

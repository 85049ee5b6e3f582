"""L8: the database says when a voucher and its hold end, whatever the application's clock says."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo
from typing import Any

import flask_jwt_extended.tokens
import jwt.api_jwt
import psycopg
import pytest
from flask import Flask

from app.kernel import clock
from app.ledger import operations as ledger_operations
from app.ledger import queries as ledger
from app.redemptions.vouchers import expire_due_vouchers
from tests.redemptions.answers import outcome
from tests.redemptions.builders import make_citizen, make_clerk, publish_benefit
from tests.redemptions.checks import assert_redemptions_agree

LIFE_SECONDS = 3


def shift_clock(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Let the application's clock, that of its tokens too, be wrong by so many hours."""
    shift = timedelta(hours=hours)
    true_time = time.time

    class AnyDatetime(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, datetime)

    class Shifted(datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + shift

    monkeypatch.setattr(time, "time", lambda: true_time() + shift.total_seconds())
    for module in (clock, jwt.api_jwt, flask_jwt_extended.tokens):
        monkeypatch.setattr(module, "datetime", Shifted)


@pytest.mark.parametrize("hours", [-1, 1])
def test_l8_a_voucher_ends_by_the_clock_of_the_database(
    committing_app: Flask, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    shift_clock(monkeypatch, hours)
    cinema = publish_benefit(committing_app, price_points=10, voucher_life_seconds=LIFE_SECONDS)
    clerk = make_clerk(committing_app, takes=(cinema,))
    citizen = make_citizen(committing_app, points=20)
    client = committing_app.test_client()
    codes = [citizen.voucher_code(client, citizen.claimed(client, cinema)) for _ in range(2)]
    with committing_app.app_context():
        assert ledger_operations.expire_due_holds(limit=10) == 0
        assert expire_due_vouchers(limit=10) == 0
    assert outcome(clerk.redeem(client, code=codes[0])) == (200, "")

    admin.execute("SELECT pg_sleep_until(max(expires_at)) FROM vouchers")
    assert outcome(clerk.redeem(client, code=codes[1])) == (409, "voucher_expired")
    with committing_app.app_context():
        balance = ledger.balance(citizen_id=citizen.citizen_id)
        assert (balance.balance_points, balance.held_points) == (10, 10)
        assert ledger_operations.expire_due_holds(limit=10) == 1
        assert expire_due_vouchers(limit=10) == 1
        assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 10
        assert_redemptions_agree()

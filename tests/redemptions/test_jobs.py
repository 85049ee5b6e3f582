"""What the worker does, with the worker's rights."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Flask

from app.ledger import queries as ledger
from app.redemptions.vouchers import expire_due_vouchers
from tests.redemptions.builders import make_citizen, publish_benefit
from tests.redemptions.checks import assert_redemptions_agree


def test_the_worker_ends_due_vouchers(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    short = publish_benefit(committing_app, price_points=10, voucher_life_seconds=1, stock=1)
    citizen = make_citizen(committing_app, points=10)
    client = committing_app.test_client()
    citizen.claimed(client, short)
    admin.execute("SELECT pg_sleep_until(max(expires_at)) FROM vouchers")
    with job_app.app_context():
        assert expire_due_vouchers(limit=10) == 1
    with committing_app.app_context():
        assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 10
        assert_redemptions_agree()
    assert citizen.claim(client, short).status_code == 200

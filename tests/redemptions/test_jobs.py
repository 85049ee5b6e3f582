"""What the worker does, with the worker's rights."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Flask

from app import schedule
from app.ledger import queries as ledger
from app.redemptions.vouchers import expire_due_vouchers
from tests.redemptions.answers import outcome
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


def test_what_expired_while_no_worker_ran_for_days_is_ended_too(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    scarce = publish_benefit(committing_app, stock=1)
    citizen, client = make_citizen(committing_app), committing_app.test_client()
    citizen.claimed(client, scarce)
    admin.execute("UPDATE vouchers SET expires_at = now() - interval '2 days'")
    with job_app.app_context():
        schedule.expire_vouchers()  # of the last day alone
        assert outcome(citizen.claim(client, scarce)) == (409, "out_of_stock")
        schedule.expire_old_vouchers()
    assert citizen.claim(client, scarce).status_code == 200
    assert admin.execute("SELECT kind FROM voucher_endings").fetchall() == [("expired",)]
    with committing_app.app_context():
        assert_redemptions_agree()

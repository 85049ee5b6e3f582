"""What the worker does, with the worker's rights."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from app import schedule
from app.ledger import queries as ledger
from app.redemptions.vouchers import expire_due_vouchers
from tests.redemptions.answers import outcome
from tests.redemptions.builders import make_citizen, make_clerk, publish_benefit
from tests.redemptions.checks import (
    assert_effects_have_their_jobs,
    assert_redemptions_agree,
    outbox_in_sight,
)


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


@pytest.mark.parametrize(
    "topic", ["voucher_redeemed", "redemption_annulled", "code_shown_again"]
)
def test_an_effect_without_its_message_is_found(
    committing_app: Flask, admin: psycopg.Connection[Any], topic: str
) -> None:
    free, client = publish_benefit(committing_app), committing_app.test_client()
    citizen, clerk = make_citizen(committing_app), make_clerk(committing_app, takes=(free,))
    citizen.claimed(client, free)
    code = citizen.pass_code(client)
    redeemed = clerk.redeem(client, code=code).get_json()
    clerk.redeem(client, code=code)
    assert clerk.annul(client, redeemed["receipt"]).status_code == 200
    with committing_app.app_context(), outbox_in_sight(admin):
        assert_effects_have_their_jobs()
        admin.execute("DELETE FROM outbox WHERE topic = %s", (topic,))
        with pytest.raises(AssertionError, match=f"no message of {topic}"):
            assert_effects_have_their_jobs()

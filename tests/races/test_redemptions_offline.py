"""A voucher that is uploaded and redeemed on line at once ends once, and nobody gets an error."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask
from werkzeug.test import TestResponse

from integrity_card_scanner.envelope import SigningKey
from tests.races.test_redemptions_redeem import LOOKED, REDEEM
from tests.races.threads import at_once, changed_function, meeting
from tests.redemptions.builders import API, Clerk, make_citizen, make_clerk, publish_library
from tests.redemptions.offline_town import (
    chained,
    code_of,
    database_now,
    enrolled,
    publish_keys,
    signed,
)

TAKE = (
    "offline_take_scans(uuid, uuid, uuid, text, bigint, text, interval, bytea[], bigint[],"
    " bytea[], timestamptz[], bytea[], text[], bytea[], uuid[])"
)
VOUCHERS = 3
# The redemption has looked, and the upload comes before it writes.
MEET = f"PERFORM race_meet({2 * VOUCHERS}, 2);"
SLOW_REDEEM = {LOOKED: f"{MEET} PERFORM pg_sleep(0.5); {LOOKED}"}
LATE_UPLOAD = {"taken_at := clock_timestamp();": f"{MEET} taken_at := clock_timestamp();"}
WITHOUT_LOCK = {**LATE_UPLOAD, "PERFORM redemption_lock_wallet(one.citizen_id);": "NULL;"}


def raced(app: Flask) -> list[TestResponse]:
    """Each of some vouchers is uploaded and redeemed at once; all answers."""
    publish_keys(app)
    library = publish_library(app, offline_allowed=True)
    clerk = make_clerk(app, takes=(library,))
    device_id, key = enrolled(app, clerk)
    calls: list[Callable[[], TestResponse]] = []
    for _ in range(VOUCHERS):
        citizen, client = make_citizen(app), app.test_client()
        voucher_id = citizen.claimed(client, library)
        shown = citizen.voucher_code(client, voucher_id)
        code = code_of(client, citizen, voucher_id)
        calls.append(partial(_redeem, app, clerk, shown))
        calls.append(partial(_upload, app, device_id, key, code))
    return at_once(calls)


def _redeem(app: Flask, clerk: Clerk, shown: str) -> TestResponse:
    return clerk.redeem(app.test_client(), code=shown)


def _upload(app: Flask, device_id: UUID, key: SigningKey, code: str) -> TestResponse:
    envelope = signed(device_id, key, chained(device_id, [(code, database_now(app))]), 1)
    body = {"device_id": str(device_id), "upload": b64encode(envelope).decode()}
    return app.test_client().post(f"{API}/offline/uploads", json=body)


def test_an_upload_and_a_redemption_take_turns(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with (
        meeting(admin),
        changed_function(admin, REDEEM, SLOW_REDEEM), changed_function(admin, TAKE, LATE_UPLOAD),
    ):
        answers = raced(committing_app)
    assert {answer.status_code for answer in answers} <= {200, 409}
    ended = admin.execute("SELECT count(*) FROM voucher_endings").fetchone()
    assert ended == (VOUCHERS,)
    kept = admin.execute("SELECT count(*) FROM offline_scans WHERE fault IS NULL").fetchone()
    assert kept == (VOUCHERS,)


def test_without_the_lock_somebody_gets_an_error(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """The negative control."""
    with (
        meeting(admin),
        changed_function(admin, REDEEM, SLOW_REDEEM), changed_function(admin, TAKE, WITHOUT_LOCK),
    ):
        answers = raced(committing_app)
    assert 500 in {answer.status_code for answer in answers}

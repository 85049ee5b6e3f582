"""What operators decide about scans that do not count: once, for the merchant, for all to see."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.kernel.database import reading
from app.kernel.ids import new_id
from app.redemptions import offline_decisions
from app.redemptions.pruning import prune_scans
from app.web.auth import Role
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    API,
    Clerk,
    make_citizen,
    make_clerk,
    publish_library,
    staff_headers,
)
from tests.redemptions.offline_town import (
    chained,
    database_now,
    enrolled,
    offline_code,
    publish_keys,
    signed,
)


def scanned_twice(app: Flask, client: FlaskClient) -> tuple[Clerk, list[dict[str, str]]]:
    """A shop whose two devices took one voucher, and one of them something strange."""
    publish_keys(app)
    library = publish_library(app, offline_allowed=True)
    clerk = make_clerk(app, takes=(library,))
    code, now = offline_code(client, make_citizen(app), library), database_now(app)
    scans = []
    for seconds, more in ((1, []), (2, [("something strange", now + timedelta(seconds=3))])):
        device_id, key = enrolled(app, clerk)
        records = chained(device_id, [(code, now + timedelta(seconds=seconds)), *more])
        envelope = signed(device_id, key, records, len(records) + 1)  # one more was not sent
        body = {"device_id": str(device_id), "upload": b64encode(envelope).decode()}
        assert client.post(f"{API}/offline/uploads", json=body).status_code == 200
        scans += [
            {"device_id": str(device_id), "scan_id": record.scan_id.hex()} for record in records
        ]
    return clerk, scans


def decide(
    app: Flask, client: FlaskClient, scan: dict[str, str], word: str, reason: str
) -> TestResponse:
    body = {**scan, "outcome": word, "reason_code": reason}
    headers = staff_headers(app, Role.OPERATOR)
    return client.post(f"{API}/offline/decisions", json=body, headers=headers)


def shown(client: FlaskClient, clerk: Clerk) -> dict[str, dict[str, Any]]:
    answer = client.get(
        f"{API}/offline/scans", query_string={"shop_id": str(clerk.shop_id)},
        headers=clerk.headers,
    )
    assert answer.status_code == 200, answer.get_json()
    return {one["scan_id"]: one for one in answer.get_json()["scans"]}


def test_a_decision_stands_for_good_and_the_shop_sees_it(
    app: Flask, client: FlaskClient
) -> None:
    clerk, [first, second, strange] = scanned_twice(app, client)
    before = shown(client, clerk)
    assert [before[one["scan_id"]]["standing"] for one in (first, second, strange)] == [
        "counted", "disputed", "parked",
    ]  # fmt: skip
    with app.app_context():
        assert offline_decisions.count_waiting() == offline_decisions.Waiting(1, 1, 2)
    for _ in range(2):
        done = decide(app, client, second, "counted", "taken_in_good_faith")
        assert done.status_code == 200, done.get_json()
    refused = decide(app, client, second, "not_counted", "voucher_used_before")
    assert outcome(refused) == (409, "offline_scan_decided")
    assert refused.get_json()["outcome"] == "counted"
    assert decide(app, client, strange, "not_counted", "code_not_ours").status_code == 200
    nothing = decide(app, client, first, "not_counted", "against_the_rules")
    assert outcome(nothing) == (409, "offline_scan_counts")
    unknown = {**first, "device_id": str(new_id())}
    nobody = decide(app, client, unknown, "counted", "clock_was_wrong")
    assert outcome(nobody) == (404, "offline_scan_unknown")
    after = shown(client, clerk)
    assert [after[one["scan_id"]]["is_counted"] for one in (first, second, strange)] == [
        True, True, False,
    ]  # fmt: skip
    assert after[second["scan_id"]]["reason_code"] == "taken_in_good_faith"
    assert "citizen" not in str(after)
    headers = staff_headers(app, Role.OPERATOR)
    for decided, number in (("false", 0), ("true", 2)):
        listed = client.get(f"{API}/offline/disputes?decided={decided}", headers=headers)
        assert len(listed.get_json()["disputes"]) == number
    with app.app_context():
        assert offline_decisions.count_waiting() == offline_decisions.Waiting(0, 0, 2)
        with reading() as session:
            settled = session.execute(
                text(
                    "SELECT count(*) FILTER (WHERE is_counted), count(*)"
                    " FROM offline_scans_settled(:merchant, '-infinity', 'infinity')"
                ),
                {"merchant": clerk.merchant_id},
            ).one()
    assert tuple(settled) == (2, 3)


def test_nobody_changes_a_decision(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    roles = admin.execute(
        "SELECT role FROM unnest(ARRAY['card_web', 'card_job', 'card_report']) AS role"
        " WHERE has_table_privilege(role, 'offline_decisions', 'UPDATE, DELETE, TRUNCATE')"
    ).fetchall()
    assert roles == []


def test_refusals_are_counted_by_reason(app: Flask, client: FlaskClient) -> None:
    clerk, _ = scanned_twice(app, client)
    assert clerk.redeem(client, code="nothing that we know").status_code == 400
    with app.app_context():
        found = offline_decisions.scan_state()
    assert found["refusals_last_hour_code_unreadable"] >= 1
    assert 0 <= found["offline_deny_list_age_seconds"] < 60


@pytest.mark.parametrize(("days", "left"), [(183, 1), (185, 0)])
def test_issued_codes_are_kept_for_half_a_year(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], days: int, left: int
) -> None:
    scanned_twice(committing_app, committing_app.test_client())
    admin.execute(
        "UPDATE offline_issues SET expires_at = now() - make_interval(days => %(days)s),"
        " not_before_at = now() - make_interval(days => %(days)s, hours => 1)", {"days": days},
    )
    with job_app.app_context():
        prune_scans()
    assert admin.execute("SELECT count(*) FROM offline_issues").fetchone() == (left,)

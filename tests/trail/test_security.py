"""S46: the log of security tells what happened, names nobody, and is there when it is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.trail import security
from app.trail.queries import list_acts
from app.trail.sealing import seal_lines, verify
from app.web import limits
from demo.servers import Database
from tests.members.api import (
    Account,
    bearer,
    citizen_tokens,
    claims_of,
    make_staff,
    sign_in_staff,
    source_tokens,
    staff_tokens,
)
from wechat_integration.sandbox.control import SandboxControl

READING, EXPORT = "/api/v1/security-events/reading", "/api/v1/security-events/export"
FIGURES = "/api/v1/city-indicators.csv?from_on=2026-01-01&to_on=2026-01-31"
REASON = "例行安全审计"
ADDRESS = "203.0.113.77"


def span(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "since": (now - timedelta(days=1)).isoformat(),
        "until": (now + timedelta(days=1)).isoformat(), "reason": REASON, **more,
    }  # fmt: skip


def told(client: FlaskClient, operator: str, **more: Any) -> list[dict[str, Any]]:
    answer = client.post(READING, json=span(limit=100, **more), headers=bearer(operator))
    assert answer.status_code == 200, answer.get_json()
    events: list[dict[str, Any]] = answer.get_json()["events"]
    return events


def kinds_of(events: list[dict[str, Any]], account: Account | None = None) -> list[str]:
    return [
        one["kind"] for one in events
        if account is None or one["account_id"] == str(account.staff_id)
    ]


def test_s46_sign_ins_failures_and_lock_outs_are_told_without_names(
    app: Flask, client: FlaskClient
) -> None:
    auditor = staff_tokens(app, client)["access_token"]
    account, other = make_staff(app, "clerk"), make_staff(app)
    for _ in range(5):
        assert sign_in_staff(client, account, password="wrong", address=ADDRESS).status_code == 401
    assert sign_in_staff(client, account, address=ADDRESS).status_code == 429
    tokens = sign_in_staff(client, other).get_json()["access_token"]
    client.post("/api/v1/sign-out", headers=bearer(tokens))
    client.post(f"/api/v1/staff/{other.staff_id}/disable", headers=bearer(auditor))

    events = told(client, auditor)
    assert kinds_of(events).count("sign_in_refused") == 5
    assert kinds_of(events, other) == ["signed_in", "session_ended"]
    delayed = next(one for one in events if one["kind"] == "sign_in_delayed")
    refused = [one for one in events if one["kind"] == "sign_in_refused"]
    assert {(one["account_key"], one["client_key"]) for one in refused} == {
        (delayed["account_key"], delayed["client_key"])
    }
    acts = [one["subject"] for one in events if one["kind"] == "act_of_office"]
    assert f"account_created clerk {account.staff_id}" in acts
    disabled = next(one for one in events if one["subject"].startswith("account_disabled"))
    assert disabled["account_id"] == claims_of(auditor)["sub"]
    whole = str(events)
    assert account.username not in whole
    assert ADDRESS not in whole


def test_s46_citizens_and_machines_stand_in_it_by_session_and_id(
    app: Flask, client: FlaskClient, sandbox: SandboxControl
) -> None:
    auditor = staff_tokens(app, client)["access_token"]
    citizen = citizen_tokens(client, sandbox)["access_token"]
    source = source_tokens(app, client)["access_token"]
    assert client.post("/api/v1/sign-in/wechat", json={"code": "made-up"}).status_code == 422
    wrong = {"credential_id": str(new_id()), "secret": "x" * 43}
    assert client.post("/api/v1/sources/token", json=wrong).status_code == 401
    assert client.get("/api/v1/bulk-viewing-alarms", headers=bearer(citizen)).status_code == 403

    events = told(client, auditor)
    by_citizens = [one for one in events if one["role"] == "citizen"]
    assert [(one["kind"], one["account_id"]) for one in by_citizens] == [
        ("signed_in", None), ("sign_in_refused", None), ("denied", None),
    ]
    assert by_citizens[0]["subject"] == claims_of(citizen)["sid"]
    assert by_citizens[2]["subject"] == "GET /api/v1/bulk-viewing-alarms not_allowed"
    assert claims_of(citizen)["sub"] not in str(events)
    machine = [one for one in events if one["account_id"] == claims_of(source)["sub"]]
    assert [one["kind"] for one in machine] == ["act_of_office", "signed_in"]
    assert machine[0]["subject"].startswith("key_made ")
    assert str(wrong["credential_id"]) in {one["subject"] for one in events}


def test_s46_openings_denials_and_exports_are_told(
    app: Flask, client: FlaskClient, sandbox: SandboxControl
) -> None:
    citizen_id = claims_of(citizen_tokens(client, sandbox)["access_token"])["sub"]
    auditor = staff_tokens(app, client)["access_token"]
    clerk = staff_tokens(app, client, "clerk")["access_token"]
    reveal = {"citizen_id": citizen_id, "fields": ["name"], "reason": "本人到窗口办理"}
    assert client.post(
        "/api/v1/members/reveal", json=reveal, headers=bearer(auditor)
    ).status_code == 200
    assert client.get(FIGURES, headers=bearer(auditor)).status_code == 200
    assert client.post(
        "/api/v1/members/reveal", json=reveal, headers=bearer(clerk)
    ).status_code == 403

    opened, = told(client, auditor, kind="person_opened")
    assert opened["subject"].startswith("profile_opened ")
    denied, = told(client, auditor, kind="denied")
    assert (denied["account_id"], denied["subject"]) == (
        claims_of(clerk)["sub"], "POST /api/v1/members/reveal not_allowed"
    )
    table = client.post(EXPORT, json=span(), headers=bearer(auditor))
    assert table.text.count("\n") > 5
    exported = [one["subject"] for one in told(client, auditor, kind="exported")]
    assert exported == ["GET /api/v1/city-indicators.csv", f"POST {EXPORT}"]
    read = told(client, auditor, kind="act_of_office")
    assert sum(one["subject"].startswith("security_log_read") for one in read) >= 3
    assert citizen_id not in str(told(client, auditor))


def test_the_log_is_read_by_pages_of_at_most_a_month_and_with_a_reason(
    app: Flask, client: FlaskClient
) -> None:
    auditor = bearer(staff_tokens(app, client)["access_token"])
    with transaction():
        for number in range(7):
            security.record_event(kind="denied", role="clerk", subject=f"number {number}")
    seen, after = [], None
    while page := client.post(
        READING, json=span(limit=3, kind="denied", after=after), headers=auditor
    ).get_json()["events"]:  # fmt: skip
        seen += [one["subject"] for one in page]
        after = page[-1]["event_id"]
    assert seen == [f"number {number}" for number in range(7)]
    now = datetime.now(UTC)
    for since, until in ((now - timedelta(days=31, seconds=1), now), (now, now)):
        asked = span() | {"since": since.isoformat(), "until": until.isoformat()}
        refused = client.post(READING, json=asked, headers=auditor)
        assert (refused.status_code, refused.get_json()["code"]) == (422, "span_too_long")
    nothing = client.post(READING, json=span() | {"reason": "看看"}, headers=auditor)
    assert nothing.get_json()["code"] == "reason_needed"


def test_s45_what_cannot_be_logged_is_not_answered(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    operator, clerk = (staff_tokens(committing_app, client, role)["access_token"]
                       for role in ("operator", "clerk"))  # fmt: skip
    account = make_staff(committing_app)
    admin.execute("ALTER TABLE security_events ADD CONSTRAINT ck_full CHECK (false) NOT VALID")
    try:
        answers = [
            client.get(FIGURES, headers=bearer(operator)),
            client.get("/api/v1/bulk-viewing-alarms", headers=bearer(clerk)),
            client.post(READING, json=span(), headers=bearer(operator)),
            sign_in_staff(client, account),
        ]
    finally:
        admin.execute("ALTER TABLE security_events DROP CONSTRAINT ck_full")
    assert [(one.status_code, one.get_json()["code"]) for one in answers] == [
        (500, "internal_error")
    ] * 4
    limits.forget_all()
    assert client.get(FIGURES, headers=bearer(operator)).status_code == 200


def test_s46_events_are_kept_for_a_year_and_go_then(
    job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with job_app.app_context():
        for number in range(3):
            security.note_event(kind="denied", role="clerk", subject=str(number))
        for number, moved in ((0, "366 days 1 second"), (1, "365 days 23 hours"), (2, "184 days")):
            admin.execute(
                "UPDATE security_events SET created_at = now() - %s::interval WHERE subject = %s",
                (moved, str(number)),
            )
        seal_lines()
        assert [security.prune_security(limit=1) for _ in range(2)] == [1, 0]
        assert verify() == []
    left = admin.execute("SELECT subject FROM security_events ORDER BY subject").fetchall()
    assert left == [("1",), ("2",)]


@pytest.mark.parametrize("role", ["card_web", "card_job", "card_report"])
def test_no_role_of_the_service_changes_the_log(
    committing_app: Flask, test_database: Database, role: str
) -> None:
    with psycopg.connect(test_database.url(role), autocommit=True) as connection:
        for statement in (
            "INSERT INTO security_events (event_id) VALUES (gen_random_uuid())",
            "UPDATE security_events SET kind = 'x'", "DELETE FROM security_events",
            "TRUNCATE security_events",
        ):
            with pytest.raises(
                (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
            ):
                connection.execute(statement.encode())


def test_an_operators_change_of_a_role_is_an_act(app: Flask, client: FlaskClient) -> None:
    auditor = staff_tokens(app, client)["access_token"]
    account = make_staff(app, "clerk")
    ended = client.post(
        f"/api/v1/staff/{account.staff_id}/end-sessions", headers=bearer(auditor)
    )
    assert ended.get_json() == {"ended_sessions": 0}
    (act,) = list_acts(subject=str(account.staff_id))
    assert (act.action, act.actor_id) == ("account_signed_out", UUID(claims_of(auditor)["sub"]))

"""Q6-Q12: what devices take off line, and what becomes of it on the platform."""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.kernel.keys import KeyPurpose
from app.redemptions import offline_lists, offline_uploads
from app.redemptions.queries import find_voucher
from app.redemptions.refusals import OfflineUnavailable
from app.web.auth import Role
from integrity_card_scanner.envelope import SigningKey
from integrity_card_scanner.platform import Platform
from integrity_card_scanner.records import ScanRecord
from integrity_card_scanner.scanner import NotReadyError
from integrity_card_scanner.suites import ED25519
from integrity_card_scanner.vouchers import make_code
from tests.integrity_card_scanner.made_up import a_voucher
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    API,
    keys_of,
    make_citizen,
    make_clerk,
    publish_library,
    staff_headers,
)
from tests.redemptions.hostile import HOSTILE, assert_not_shown
from tests.redemptions.offline_town import (
    chained,
    code_of,
    database_now,
    enrolled,
    http_to,
    make_scanner,
    offline_code,
    owner_headers,
    publish_keys,
    signed,
    synced,
)


@pytest.fixture(autouse=True)
def keys_published(app: Flask) -> None:
    publish_keys(app)


@pytest.fixture
def library(app: Flask) -> str:
    return publish_library(app, offline_allowed=True)


def upload(app: Flask, device_id: Any, envelope: bytes) -> Any:
    body = {"device_id": str(device_id), "upload": b64encode(envelope).decode()}
    return app.test_client().post(f"{API}/offline/uploads", json=body)


def standings(answer: Any) -> list[tuple[str, str | None]]:
    assert answer.status_code == 200, answer.get_json()
    return [(one["standing"], one["fault"]) for one in answer.get_json()["answers"]]


def test_a_scan_off_line_reaches_the_platform(
    app: Flask, client: FlaskClient, library: str, tmp_path: Path
) -> None:
    clerk = make_clerk(app, takes=(library,))
    citizen = make_citizen(app, tier="AAA", consents=("library",))
    voucher_id = citizen.claimed(client, library)
    code = code_of(client, citizen, voucher_id)
    gate = make_scanner(app, clerk, tmp_path)
    assert gate.scan(code).reason == "never_synced"
    assert synced(app, gate) == 0
    verdict = gate.scan(code)
    assert verdict.accepted
    assert verdict.voucher is not None
    assert verdict.voucher.value == {"books": 25, "deposit_waived": True}
    assert gate.scan(code).reason == "already_taken"
    assert synced(app, gate) == 1
    assert gate.unsent() == ()
    with app.app_context():
        held = find_voucher(citizen_id=citizen.citizen_id, voucher_id=voucher_id)
    assert held is not None
    assert held.status == "used_offline"
    answer = client.get(f"{API}/me/vouchers/{voucher_id}/code", headers=citizen.headers)
    assert outcome(answer) == (409, "voucher_used_offline")  # finished on line too
    trail = client.get(f"{API}/me/trail", headers=citizen.headers).get_json()
    assert "redeem_offline" in str(trail)


def test_the_platforms_time_is_the_last_thing_that_a_sync_asks_for(
    app: Flask, library: str, tmp_path: Path
) -> None:
    """Slow lists between it and the device's clock would put every later scan wrong."""
    gate = make_scanner(app, make_clerk(app, takes=(library,)), tmp_path)
    asked: list[str] = []
    with http_to(app) as http:
        http.event_hooks["request"] = [lambda request: asked.append(request.url.path)]
        assert Platform(http).sync(gate) == 0
    assert [path.rpartition("/")[2] for path in asked] == ["key-list", "deny-list", "uploads"]


def test_a_voucher_used_off_line_is_refused_on_line(
    app: Flask, client: FlaskClient, library: str, tmp_path: Path
) -> None:
    clerk, citizen = make_clerk(app, takes=(library,)), make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    shown_before = citizen.voucher_code(client, voucher_id)
    gate = make_scanner(app, clerk, tmp_path)
    synced(app, gate)
    assert gate.scan(code_of(client, citizen, voucher_id)).accepted
    synced(app, gate)
    answer = clerk.redeem(client, code=shown_before)
    assert outcome(answer) == (409, "voucher_used_offline")


def test_q8_a_revoked_voucher_is_denied_after_the_next_sync(
    app: Flask, client: FlaskClient, library: str, tmp_path: Path
) -> None:
    clerk, citizen = make_clerk(app, takes=(library,)), make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    code = code_of(client, citizen, voucher_id)
    other = offline_code(client, make_citizen(app), library)
    citizen.give_back(client, voucher_id)
    with app.app_context():
        offline_lists.publish_deny_list(keys=keys_of(app))
    gate = make_scanner(app, clerk, tmp_path)
    synced(app, gate)
    assert gate.scan(code).reason == "denied"
    assert gate.scan(other).accepted


def test_q4_another_merchants_benefit_is_refused_everywhere(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    benefits = [publish_library(app, offline_allowed=True) for _ in range(4)]
    clerks = [make_clerk(app, takes=(benefit,)) for benefit in benefits]
    citizen = make_citizen(app)
    codes = [offline_code(client, citizen, benefit) for benefit in benefits]
    gates = [make_scanner(app, clerk, tmp_path / str(at)) for at, clerk in enumerate(clerks)]
    now = database_now(app)
    for at, (gate, clerk) in enumerate(zip(gates, clerks, strict=True)):
        synced(app, gate)
        refused = [gate.scan(code).reason for code in codes[:at] + codes[at + 1 :]]
        assert refused == ["wrong_benefit"] * 3
        assert gate.scan(codes[at]).accepted
        device_id, key = enrolled(app, clerk)  # a device that does not look
        records = chained(device_id, [(codes[at - 1], now)])
        answer = upload(app, device_id, signed(device_id, key, records, 1))
        assert standings(answer) == [("parked", "wrong_merchant")]


def test_q6_the_worst_case_is_devices_times_value_within_the_caps(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    small = publish_library(app, offline_allowed=True, offline_worth_fen=700, offline_unsent_max=2)
    large = publish_library(app, offline_allowed=True, subsidy={"payer": "programme", "fen": 900})
    clerk = make_clerk(app, takes=(small,))
    gate = make_scanner(app, clerk, tmp_path)
    for _ in range(2):
        enrolled(app, make_clerk(app, takes=(small, large)))
    with app.app_context():
        worst = offline_lists.worst_case()
    most = offline_lists.UNSENT_WORTH_MAX_FEN  # 100 × 900 would be more
    assert worst.by_benefit_fen == {small: 3 * 2 * 700, large: 2 * most}
    assert worst.total_fen == 2 * 700 + 2 * most
    report = app.test_cli_runner().invoke(args=["offline", "report"]).output
    assert f"worst case {worst.total_fen / 100:.2f} yuan" in report
    assert f"worst case of {small} alone 42.00 yuan" in report
    synced(app, gate)
    codes = [offline_code(client, make_citizen(app), small) for _ in range(3)]
    assert [gate.scan(code).reason for code in codes] == [None, None, "benefit_cap"]
    assert synced(app, gate) == 2
    assert gate.scan(codes[2]).accepted


def test_losers_are_parked_with_both_scans(
    app: Flask, client: FlaskClient, library: str
) -> None:
    clerk = make_clerk(app, takes=(library,))
    code = offline_code(client, make_citizen(app), library)
    (early, early_key), (late, late_key) = enrolled(app, clerk), enrolled(app, clerk)
    now = database_now(app)
    second = chained(late, [(code, now + timedelta(seconds=2))])
    first = chained(early, [(code, now + timedelta(seconds=1))])
    assert standings(upload(app, late, signed(late, late_key, second, 1))) == [("counted", None)]
    for _ in range(2):
        answer = upload(app, early, signed(early, early_key, first, 1))
        assert standings(answer) == [("counted", None)]
    assert standings(upload(app, late, signed(late, late_key, second, 1))) == [("disputed", None)]
    with app.app_context():
        (dispute,) = offline_uploads.list_disputes(limit=10)
    assert (dispute["scan_id"], dispute["device_id"]) == (second[0].scan_id, late)
    assert (dispute["first_scan_id"], dispute["first_device_id"]) == (first[0].scan_id, early)


def test_a_redemption_on_line_takes_part(app: Flask, client: FlaskClient, library: str) -> None:
    clerk = make_clerk(app, takes=(library,))
    device_id, key = enrolled(app, clerk)
    now = database_now(app)
    scans = []
    for offset in (-1, 60):  # before the redemption, and after it
        citizen = make_citizen(app)
        voucher_id = citizen.claimed(client, library)
        code = code_of(client, citizen, voucher_id)
        shown = citizen.voucher_code(client, voucher_id)
        assert clerk.redeem(client, code=shown).status_code == 200
        scans.append((code, now + timedelta(seconds=offset)))
    answer = upload(app, device_id, signed(device_id, key, chained(device_id, scans), 2))
    assert standings(answer) == [("counted", None), ("disputed", None)]
    with app.app_context():
        disputes = offline_uploads.list_disputes(limit=10)
    assert sorted(one["standing"] for one in disputes) == ["counted", "disputed"]
    assert all(one["online_redeemed_at"] is not None for one in disputes)


def test_what_cannot_count_is_kept_with_its_fault(
    app: Flask, client: FlaskClient, library: str
) -> None:
    clerk, citizen = make_clerk(app, takes=(library,)), make_citizen(app)
    code = offline_code(client, citizen, library)
    with app.app_context():
        stolen = offline_lists.voucher_key(keys_of(app))
    now = database_now(app)
    forged = make_code(stolen, a_voucher(benefit_code=library, not_before_at=now.replace(
        microsecond=0), expires_at=now.replace(microsecond=0) + timedelta(hours=1)).payload())
    strange = make_code(SigningKey(ED25519, secrets.token_bytes(32)), a_voucher().payload())
    said = {**cbor2.loads(a_voucher().payload()), 5: ["no map"]}
    misshapen = make_code(stolen, cbor2.dumps(said))
    scans = [
        (forged, now), (strange, now), (misshapen, now), ("=HYPERLINK(1)", now),
        (code, now + timedelta(minutes=10)), (code, now - timedelta(hours=1)),
        (code, now + timedelta(hours=25)),
    ]  # fmt: skip
    device_id, key = enrolled(app, clerk)
    answer = upload(app, device_id, signed(device_id, key, chained(device_id, scans), 7))
    assert standings(answer) == [
        ("parked", "not_issued"), ("parked", "code_key_unknown"),
        ("parked", "code_not_a_voucher"), ("parked", "code_not_a_code"),
        ("parked", "from_the_future"), ("parked", "outside_life"), ("parked", "from_the_future"),
    ]  # fmt: skip
    with app.app_context():
        assert len(offline_uploads.list_unissued()) == 1
        assert len(offline_uploads.list_disputes(limit=10)) == 7


def test_a_lost_device_is_switched_off(
    app: Flask, client: FlaskClient, library: str, tmp_path: Path
) -> None:
    clerk = make_clerk(app, takes=(library,))
    gate = make_scanner(app, clerk, tmp_path)
    synced(app, gate)
    assert gate.scan(offline_code(client, make_citizen(app), library)).accepted
    headers = owner_headers(app, clerk)
    path = f"{API}/devices/{gate.device_id}/switch-off"
    for _ in range(2):
        answer = client.post(path, headers=headers)
        assert answer.status_code == 200
        assert answer.get_json()["switched_off_at"] is not None
    with pytest.raises(NotReadyError, match="switched_off"):
        synced(app, gate)
    assert gate.unsent() == ()  # what it had taken is there, for somebody to look at
    with app.app_context():
        (kept,) = offline_uploads.list_disputes(limit=10)
    assert kept["fault"] == "device_switched_off"
    assert gate.scan(offline_code(client, make_citizen(app), library)).reason == "never_synced"


def test_another_owner_switches_nothing_off(app: Flask, client: FlaskClient, library: str) -> None:
    device_id, _ = enrolled(app, make_clerk(app, takes=(library,)))
    stranger = owner_headers(app, make_clerk(app, takes=(library,)))
    answer = client.post(f"{API}/devices/{device_id}/switch-off", headers=stranger)
    assert outcome(answer) == (404, "device_unknown")


def test_an_upload_must_be_the_devices_own(app: Flask, client: FlaskClient, library: str) -> None:
    clerk = make_clerk(app, takes=(library,))
    device_id, key = enrolled(app, clerk)
    other_id, other_key = enrolled(app, clerk)
    good = signed(device_id, key, [], 0)
    for envelope, reason in (
        (signed(device_id, other_key, [], 0), "key_unknown"),
        (signed(other_id, key, [], 0), "another_device"),
        (good[:-1] + bytes((good[-1] ^ 1,)), "signature_wrong"),
        (b"", "not_an_envelope"),
    ):
        answer = upload(app, device_id, envelope)
        if envelope:
            assert outcome(answer) == (400, "offline_upload_unreadable")
            assert answer.get_json()["reason"] == reason
        else:
            assert answer.status_code == 422
    assert outcome(upload(app, a_voucher().reference, good)) == (404, "device_unknown")
    assert other_key != key
    for text in ("***", "券码"):
        answer = client.post(
            f"{API}/offline/uploads", json={"device_id": str(device_id), "upload": text}
        )
        assert outcome(answer) == (400, "offline_upload_unreadable")
        assert answer.get_json()["reason"] == "not_base64"


def test_q9_a_stolen_key_is_retired(
    app: Flask, client: FlaskClient, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk, citizen = make_clerk(app, takes=(library,)), make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    old = code_of(client, citizen, voucher_id)
    gate = make_scanner(app, clerk, tmp_path)
    keys = keys_of(app)
    with app.app_context():
        first = offline_lists.voucher_key(keys)
        following = SigningKey(ED25519, secrets.token_bytes(32))
        ring = offline_lists.ring
        monkeypatch.setattr(offline_lists, "ring", lambda keys, purpose: [
            *ring(keys, purpose),
            *([following] if purpose is KeyPurpose.OFFLINE_VOUCHER else []),
        ])  # fmt: skip
    assert publish_keys(app) == 2
    with app.app_context():
        assert offline_lists.retire_key(keys=keys, kid=first.public.kid, reason="drill") == 1
        assert offline_lists.voucher_key(keys) == following
    synced(app, gate)
    assert gate.scan(old).reason == "key_unknown"
    again = code_of(client, citizen, voucher_id)
    assert again != old
    assert gate.scan(again).accepted
    forged = make_code(first, a_voucher(benefit_code=library).payload())
    assert gate.scan(forged).reason == "key_unknown"
    device_id, key = enrolled(app, clerk)
    records = chained(device_id, [(forged, database_now(app))])
    answer = upload(app, device_id, signed(device_id, key, records, 1))
    assert standings(answer) == [("parked", "not_issued")]


def test_without_a_usable_key_nothing_is_signed(
    app: Flask, client: FlaskClient, library: str
) -> None:
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    with app.app_context():
        key = offline_lists.voucher_key(keys_of(app))
        with pytest.raises(OfflineUnavailable):
            offline_lists.retire_key(keys=keys_of(app), kid=key.public.kid, reason="lost")
    answer = client.post(f"{API}/me/vouchers/{voucher_id}/offline-code", headers=citizen.headers)
    assert outcome(answer) == (409, "offline_unavailable")


def test_q14_a_hundred_scanned_texts_are_data(
    app: Flask, client: FlaskClient, library: str
) -> None:
    """Whatever somebody shows is parked as it is, and is in no answer and on no list."""
    clerk = make_clerk(app, takes=(library,))
    device_id, key = enrolled(app, clerk)
    now = database_now(app)
    records = chained(device_id, [(text, now) for text in HOSTILE])
    answer = upload(app, device_id, signed(device_id, key, records, len(HOSTILE)))
    assert [standing for standing, _ in standings(answer)] == ["parked"] * 100
    operator = staff_headers(app, Role.OPERATOR)
    shown = [
        answer,
        client.get(f"{API}/offline/disputes?limit=100", headers=operator),
        client.get(f"{API}/offline/scans?shop_id={clerk.shop_id}", headers=clerk.headers),
    ]
    for response in shown:
        assert (response.status_code, response.mimetype) == (200, "application/json")
        for text in HOSTILE:
            assert_not_shown(text, response.text)
    with app.app_context(), transaction() as session:
        kept = session.connection().exec_driver_sql("SELECT record FROM offline_scans")
        assert {ScanRecord.load(bytes(record)).code for (record,) in kept} == set(HOSTILE)

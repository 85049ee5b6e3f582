"""Devices are enrolled by a code, once, with a key that they prove to hold."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.merchants import refusals
from app.merchants.devices import count_live_devices, enrol_device, find_device
from integrity_card_scanner.envelope import Kind, SigningKey, sign_envelope
from integrity_card_scanner.suites import ED25519
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API, make_clerk
from tests.redemptions.offline_town import enrol, invited, owner_headers


def a_key() -> SigningKey:
    return SigningKey(ED25519, secrets.token_bytes(32))


def proof(key: SigningKey, code: str) -> bytes:
    return sign_envelope(key, Kind.ENROLMENT, code.encode())


def test_a_code_enrols_one_device_and_its_retries(app: Flask) -> None:
    clerk = make_clerk(app)
    code = invited(app, clerk.shop_id, owner_headers(app, clerk))
    key, other = a_key(), a_key()
    with app.app_context():
        made = [enrol_device(code=code, key=key.public, proof=proof(key, code)) for _ in range(2)]
        assert made[0] == made[1]
        assert (made[0].merchant_id, made[0].shop_id) == (clerk.merchant_id, clerk.shop_id)
        with pytest.raises(refusals.DeviceInvitationUnknown):
            enrol_device(code=code, key=other.public, proof=proof(other, code))
        assert list(count_live_devices().values()) == [1]


def test_a_device_proves_that_it_holds_its_key(app: Flask) -> None:
    clerk = make_clerk(app)
    code = invited(app, clerk.shop_id, owner_headers(app, clerk))
    key, other = a_key(), a_key()
    with app.app_context():
        for wrong in (proof(other, code), proof(key, code + "x"), b""):
            with pytest.raises(refusals.DeviceKeyUnproven):
                enrol_device(code=code, key=key.public, proof=wrong)


def test_a_key_belongs_to_one_device(app: Flask) -> None:
    clerk = make_clerk(app)
    owner, key = owner_headers(app, clerk), a_key()
    first, second = (invited(app, clerk.shop_id, owner) for _ in range(2))
    with app.app_context():
        enrol_device(code=first, key=key.public, proof=proof(key, first))
        with pytest.raises(refusals.DeviceInvitationUnknown):
            enrol_device(code=second, key=key.public, proof=proof(key, second))


def test_a_code_is_over_after_a_quarter_of_an_hour(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    clerk = make_clerk(committing_app)
    owner, key = owner_headers(committing_app, clerk), a_key()
    code = invited(committing_app, clerk.shop_id, owner)
    admin.execute(
        "UPDATE device_invitations SET expires_at = expires_at - %s", (timedelta(minutes=15),)
    )
    with committing_app.app_context(), pytest.raises(refusals.DeviceInvitationUnknown):
        enrol_device(code=code, key=key.public, proof=proof(key, code))


def test_an_owner_sees_and_switches_off_their_own(app: Flask, client: FlaskClient) -> None:
    clerk = make_clerk(app)
    owner = owner_headers(app, clerk)
    device_id, _ = enrol(app, clerk.shop_id, owner)
    stranger = owner_headers(app, make_clerk(app))
    listed = client.get(f"{API}/merchant/devices", headers=owner).get_json()["devices"]
    assert [UUID(one["device_id"]) for one in listed] == [device_id]
    assert client.get(f"{API}/merchant/devices", headers=stranger).get_json() == {"devices": []}
    path = f"{API}/devices/{device_id}/switch-off"
    assert outcome(client.post(path, headers=stranger)) == (404, "device_unknown")
    assert client.post(path, headers=owner).status_code == 200
    with app.app_context():
        found = find_device(device_id=device_id)
    assert found is not None
    assert found.switched_off_at is not None

"""An offline root, key lists, devices that scan: for tests of offline codes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.merchants.operations import assign_staff
from app.redemptions import offline_lists
from app.web.auth import Role
from integrity_card_scanner.envelope import Kind, SigningKey, sign_envelope
from integrity_card_scanner.platform import Platform
from integrity_card_scanner.records import ScanRecord, first_previous, sign_upload
from integrity_card_scanner.scanner import Scanner, clock
from integrity_card_scanner.storage import Storage
from integrity_card_scanner.suites import ED25519
from tests.redemptions.builders import API, Citizen, Clerk, keys_of, make_staff, staff_tokens

ROOT = SigningKey(ED25519, secrets.token_bytes(32))


def publish_keys(app: Flask) -> int:
    """A key list by the root of this run, and a deny list."""
    with app.app_context():
        draft = offline_lists.draft_key_list(keys_of(app))
        version = offline_lists.publish_key_list(
            envelope=sign_envelope(ROOT, Kind.KEY_LIST, draft), root=ROOT.public
        )
        offline_lists.publish_deny_list(keys=keys_of(app))
        return version


def http_to(app: Flask) -> httpx.Client:
    """A client whose requests are answered by this application."""
    return httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost")


def owner_headers(app: Flask, clerk: Clerk) -> dict[str, str]:
    """A new owner of the clerk's merchant."""
    staff_id, opened = make_staff(app, Role.MERCHANT_OWNER)
    with app.app_context():
        assign_staff(staff_id=staff_id, merchant_id=clerk.merchant_id, role="merchant_owner")
        return dict(staff_tokens(opened))


def enrolled(app: Flask, clerk: Clerk) -> tuple[UUID, SigningKey]:
    """A device in the clerk's shop, and its key."""
    return enrol(app, clerk.shop_id, owner_headers(app, clerk))


def invited(app: Flask, shop_id: UUID, owner: Mapping[str, str]) -> str:
    """A code with which one device joins the owner's shop."""
    body = {"shop_id": str(shop_id), "name": "闸机"}
    made = app.test_client().post(f"{API}/merchant/device-invitations", json=body, headers=owner)
    assert made.status_code == 201, made.get_json()
    return str(made.get_json()["code"])


def enrol(app: Flask, shop_id: UUID, owner: Mapping[str, str]) -> tuple[UUID, SigningKey]:
    """A device in the owner's shop, and its key."""
    key = SigningKey(ED25519, secrets.token_bytes(32))
    with http_to(app) as http:
        return Platform(http).enrol(code=invited(app, shop_id, owner), key=key), key


def make_scanner(
    app: Flask, clerk: Clerk, folder: Path, now: Callable[[], datetime] = clock
) -> Scanner:
    """An enrolled device that has never synced."""
    device_id, key = enrolled(app, clerk)
    return Scanner(Storage(folder), device_id=device_id, key=key, root=ROOT.public, now=now)


def synced(app: Flask, scanner: Scanner) -> int:
    with http_to(app) as http:
        return Platform(http).sync(scanner)


def offline_code(client: FlaskClient, citizen: Citizen, benefit_code: str) -> str:
    """The offline code of a voucher that was just claimed."""
    voucher_id = citizen.claimed(client, benefit_code)
    return code_of(client, citizen, voucher_id)


def code_of(client: FlaskClient, citizen: Citizen, voucher_id: UUID) -> str:
    answer = client.post(f"{API}/me/vouchers/{voucher_id}/offline-code", headers=citizen.headers)
    assert answer.status_code == 200, answer.get_json()
    return str(answer.get_json()["code"])


def chained(device_id: UUID, codes: list[tuple[str, datetime]]) -> list[ScanRecord]:
    """The records of these scans as their device would make them."""
    records: list[ScanRecord] = []
    previous = first_previous(device_id)
    for sequence, (code, scanned_at) in enumerate(codes, start=1):
        cut = scanned_at - timedelta(microseconds=scanned_at.microsecond % 1000)
        records.append(ScanRecord(sequence, previous, cut, code))
        previous = records[-1].scan_id
    return records


def signed(device_id: UUID, key: SigningKey, records: list[ScanRecord], last: int) -> bytes:
    return sign_upload(key, device_id=device_id, last_sequence=last, records=records)


def database_now(app: Flask) -> datetime:
    with app.app_context(), transaction() as session:
        moment: datetime = session.connection().exec_driver_sql(
            "SELECT clock_timestamp()"
        ).scalar_one()
        return moment

"""Offline codes and devices for requests that work, made anew for each call."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime

from app.web.auth import Role
from integrity_card_scanner.envelope import Kind, SigningKey, sign_envelope
from integrity_card_scanner.records import ScanRecord, first_previous, sign_upload
from integrity_card_scanner.suites import ED25519
from tests.contract.orders import Made
from tests.contract.world import World, claim, sent
from tests.redemptions.offline_town import database_now, enrol, invited


def _voucher(world: World) -> Made:
    voucher_id = claim(world.client, world.ours.citizen, world.library_code)
    return None, {"voucher_id": str(voucher_id)}, {}


def _invitation(world: World) -> Made:
    return {"shop_id": str(world.ours.shop_id), "name": "闸机"}, {}, {}


def _enrolment(world: World) -> Made:
    owner = world.ours.callers[Role.MERCHANT_OWNER].headers
    code = invited(world.app, world.ours.shop_id, owner)
    key = SigningKey(ED25519, secrets.token_bytes(32))
    body = {
        "code": code, "suite": key.suite, "public_key": key.public.public.hex(),
        "proof": sign_envelope(key, Kind.ENROLMENT, code.encode()).hex(),
    }
    return body, {}, {}


def _device(world: World) -> Made:
    owner = world.ours.callers[Role.MERCHANT_OWNER].headers
    device_id, _key = enrol(world.app, world.ours.shop_id, owner)
    return None, {"device_id": str(device_id)}, {}


def _upload(world: World) -> Made:
    party = world.ours
    upload = sign_upload(party.device_key, device_id=party.device_id, last_sequence=0, records=[])
    return {"device_id": str(party.device_id), "upload": b64encode(upload).decode()}, {}, {}


def _decision(world: World) -> Made:
    party = world.ours
    record = ScanRecord(1, first_previous(party.device_id), _moment(world), secrets.token_hex(8))
    upload = sign_upload(
        party.device_key, device_id=party.device_id, last_sequence=1, records=[record]
    )
    body = {"device_id": str(party.device_id), "upload": b64encode(upload).decode()}
    sent(world.client, "/offline/uploads", body, {})
    decision = {
        "device_id": str(party.device_id), "scan_id": record.scan_id.hex(),
        "outcome": "not_counted", "reason_code": "code_not_ours",
    }  # fmt: skip
    return decision, {}, {}


def _moment(world: World) -> datetime:
    moment = database_now(world.app)
    return moment.replace(microsecond=0)


OFFLINE: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/me/vouchers/<uuid:voucher_id>/offline-code"): _voucher,
    ("POST", "/merchant/device-invitations"): _invitation,
    ("POST", "/devices"): _enrolment,
    ("POST", "/devices/<uuid:device_id>/switch-off"): _device,
    ("POST", "/offline/uploads"): _upload,
    ("POST", "/offline/decisions"): _decision,
    ("GET", "/offline/scans"): lambda world: (
        None, {}, {"shop_id": str(world.ours.shop_id), "limit": 2}
    ),
}

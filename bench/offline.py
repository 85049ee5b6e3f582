"""Offline codes: reading one beside the bare signature, taking one, uploading ten thousand.

An upload is compared with the bare COPY of the very rows that it left in the table of scans.
"""

from __future__ import annotations

import io
import secrets
import tempfile
import time
from base64 import b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask

from app.benefits.operations import let_merchant_take, load_catalogue
from app.benefits.queries import find_current
from app.kernel.clock import now
from app.kernel.ids import new_id, random_id
from app.kernel.keys import KeyProvider
from app.merchants import devices, operations
from app.merchants.credit_codes import check_character
from app.redemptions import offline_lists
from app.redemptions.offline_uploads import take_upload
from demo.results import fresh_application
from demo.servers import Database
from integrity_card_scanner.envelope import Kind, SigningKey, sign_envelope
from integrity_card_scanner.records import ScanRecord, first_previous, sign_upload
from integrity_card_scanner.storage import Storage
from integrity_card_scanner.suites import ED25519
from integrity_card_scanner.vouchers import OfflineVoucher, issue_digest, make_code, read_code

CODES: Final = 3_000
SCANS: Final = 10_000
BATCH: Final = 500
CITIZENS: Final = 1_000
BENEFIT: Final = """
tiers = ["A"]
[[benefit]]
code = "bus"
version = 1
name = "公交"
kind = "ticket"
valid_from = 2026-01-01
merchants = "listed"
voucher_life_seconds = 2592000
offline_allowed = true
offline_worth_fen = 200
[benefit.baseline]
price_percent = 80
[benefit.tiers.A]
price_percent = 80
"""


def measure_offline() -> list[dict[str, Any]]:
    """Codes read per second on one core, and scans uploaded per second."""
    figures = _reading()
    with fresh_application() as (app, database), app.app_context():
        figures += _uploading(app, database)
    return figures


def _reading() -> list[dict[str, Any]]:
    key = SigningKey(ED25519, secrets.token_bytes(32))
    begun = now().replace(microsecond=0)
    texts = [make_code(key, _voucher(at, begun).payload()) for at in range(CODES)]
    find = {key.public.kid: key.public}.get
    private = Ed25519PrivateKey.generate()
    public, message = private.public_key(), secrets.token_bytes(150)
    signature = private.sign(message)
    bare = _per_second(CODES, lambda _: public.verify(signature, message))
    read = _per_second(CODES, lambda at: read_code(texts[at], find))
    with tempfile.TemporaryDirectory(prefix="card-bench-scanner-") as folder:
        storage = Storage(Path(folder))
        kept = _per_second(CODES // 10, lambda at: storage.append("unsent", texts[at].encode()))
    return [
        {"name": "offline code read ÷ bare Ed25519 verification, one core", "value": round(read),
         "unit": "codes/s", "ratio": round(read / bare, 3), "limit": 0.5},
        {"name": "scan kept on the disk, sealed", "value": round(1000 / kept, 3), "unit": "ms",
         "ratio": None, "limit": None},
    ]  # fmt: skip


def _uploading(app: Flask, database: Database) -> list[dict[str, Any]]:
    keys: KeyProvider = app.extensions["card_keys"]
    device_id, key = _enrolled(keys)
    codes = _issue(keys, database)
    records: list[ScanRecord] = []
    previous = first_previous(device_id)
    for sequence, code in enumerate(codes, start=1):
        scanned_at = now().replace(microsecond=0)
        records.append(ScanRecord(sequence, previous, scanned_at, code))
        previous = records[-1].scan_id
    uploads = [
        b64encode(sign_upload(
            key, device_id=device_id, last_sequence=SCANS, records=records[start : start + BATCH]
        )).decode()
        for start in range(0, SCANS, BATCH)
    ]  # fmt: skip
    started = time.perf_counter()
    answers = [take_upload(keys=keys, device_id=device_id, upload=one).answers for one in uploads]
    seconds = time.perf_counter() - started
    standings = [answer.standing for some in answers for answer in some]
    assert standings == ["counted"] * SCANS
    bare = _copied_again(database)
    return [{
        "name": f"upload of {SCANS} offline scans ÷ bare COPY of their rows",
        "value": round(SCANS / seconds), "unit": "scans/s",
        "ratio": round(bare / seconds, 4), "limit": None,
    }]


def _enrolled(keys: KeyProvider) -> tuple[UUID, SigningKey]:
    """A device of a merchant that takes the benefit, with lists under a root of this run."""
    root, key = (SigningKey(ED25519, secrets.token_bytes(32)) for _ in range(2))
    draft = offline_lists.draft_key_list(keys)
    offline_lists.publish_key_list(
        envelope=sign_envelope(root, Kind.KEY_LIST, draft), root=root.public
    )
    load_catalogue(BENEFIT)
    first = "91330702MA0000001"
    merchant = operations.register_merchant(
        merchant_id=new_id(), credit_code=first + check_character(first), name="公交"
    )
    shop = operations.open_shop(shop_id=new_id(), merchant_id=merchant.merchant_id, name="1路")
    let_merchant_take(benefit_code="bus", merchant_id=merchant.merchant_id)
    owner_id = new_id()
    operations.assign_staff(
        staff_id=owner_id, merchant_id=merchant.merchant_id, role="merchant_owner"
    )
    code = devices.invite_device(owner_id=owner_id, shop_id=shop.shop_id, name="闸机").code
    proof = sign_envelope(key, Kind.ENROLMENT, code.encode())
    return devices.enrol_device(code=code, key=key.public, proof=proof).device_id, key


def _issue(keys: KeyProvider, database: Database) -> list[str]:
    """As many claimed vouchers with their offline codes, written straight into the tables."""
    key, benefit = offline_lists.voucher_key(keys), find_current(code="bus")
    assert benefit is not None
    begun = now().replace(microsecond=0) - timedelta(minutes=1)
    citizens = [random_id() for _ in range(CITIZENS)]
    said = [_voucher(at, begun) for at in range(SCANS)]
    owners = [(citizens[at % CITIZENS], new_id()) for at in range(SCANS)]
    with psycopg.connect(database.admin_url, autocommit=True) as admin, admin.cursor() as cursor:
        with cursor.copy("COPY voucher_wallets (citizen_id) FROM STDIN") as copy:
            for citizen in citizens:
                copy.write_row((citizen,))
        with cursor.copy(
            "COPY vouchers (citizen_id, voucher_id, benefit_id, benefit_code, benefit_version,"
            " value, price_points, stock_taken, claimed_at, expires_at) FROM STDIN"
        ) as copy:
            for citizen, voucher in owners:
                copy.write_row((citizen, voucher, benefit.benefit_id, "bus", 1, "{}", 0, False,
                                begun, begun + timedelta(days=30)))  # fmt: skip
        with cursor.copy(
            "COPY offline_issues (code_digest, reference, citizen_id, voucher_id, benefit_code,"
            " kid, slot, payload, not_before_at, expires_at) FROM STDIN"
        ) as copy:
            for one, (citizen, voucher) in zip(said, owners, strict=True):
                payload, kid = one.payload(), key.public.kid
                copy.write_row((issue_digest(kid, payload), one.reference, citizen, voucher, "bus",
                                kid, one.slot, payload, begun, one.expires_at))  # fmt: skip
    return [make_code(key, one.payload()) for one in said]


def _copied_again(database: Database) -> float:
    """Seconds of a bare COPY of the rows that the uploads left, into the emptied table."""
    with psycopg.connect(database.admin_url, autocommit=True) as admin, admin.cursor() as cursor:
        held = io.BytesIO()
        with cursor.copy("COPY offline_scans TO STDOUT (FORMAT binary)") as copy:
            for chunk in copy:
                held.write(chunk)
        admin.execute("TRUNCATE offline_decisions, offline_scans")
        started = time.perf_counter()
        with cursor.copy("COPY offline_scans FROM STDIN (FORMAT binary)") as copy:
            copy.write(held.getvalue())
        return time.perf_counter() - started


def _voucher(at: int, begun: datetime) -> OfflineVoucher:
    return OfflineVoucher(
        reference=random_id(), slot=at, person_tag=sha256(bytes(at % 7)).digest()[:8],
        benefit_code="bus", value={"price_percent": 80}, not_before_at=begun,
        expires_at=begun + timedelta(hours=24), scope=(), uses_per_day=4, worth_fen=40,
    )


def _per_second(count: int, call: Any) -> float:
    started = time.perf_counter()
    for at in range(count):
        call(at)
    return count / (time.perf_counter() - started)

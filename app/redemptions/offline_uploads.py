"""Scans that devices made off line: taken once each, in any order, none dropped.

What cannot count at all is parked with its fault; of what can, `offline_standing` says which scan
of a voucher counts: the earliest, by one rule that does not know when a scan arrived.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from app.kernel.context import request_id
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.merchants.devices import EnrolledDevice, find_device
from app.merchants.refusals import DeviceUnknown
from app.redemptions import refusals
from app.redemptions.models import OfflineScan
from app.redemptions.offline_lists import grant_device, voucher_keys_ever
from integrity_card_scanner.envelope import BadEnvelopeError, PublicKey
from integrity_card_scanner.records import ScanRecord, Upload, open_upload
from integrity_card_scanner.vouchers import read_code

TOLERANCE: Final = timedelta(minutes=5)  # between a device's corrected clock and the database's
_TAKE: Final = text("""
    SELECT t.scan_id, t.fault, t.standing FROM offline_take_scans(
        :device, :merchant, :shop, :shop_name, :head, :request_id, :tolerance,
        CAST(:scan_ids AS bytea[]), CAST(:sequences AS bigint[]), CAST(:previous_ids AS bytea[]),
        CAST(:scanned_ats AS timestamptz[]), CAST(:code_digests AS bytea[]),
        CAST(:faults AS text[]), CAST(:records AS bytea[]), CAST(:messages AS uuid[])) t
""")
# Numbers that a device has reached and not uploaded: lost, or not sent yet.
_GAPS: Final = text("""
    WITH known AS (
        SELECT device_id, sequence FROM offline_scans
        UNION SELECT device_id, 0 FROM offline_heads
        UNION SELECT device_id, last_sequence + 1 FROM offline_heads
    ), steps AS (
        SELECT device_id, sequence,
            lead(sequence) OVER (PARTITION BY device_id ORDER BY sequence) AS next
        FROM known
    )
    SELECT device_id, sequence + 1 AS first_sequence, next - 1 AS last_sequence, 'missing' AS kind
    FROM steps WHERE next > sequence + 1
    UNION ALL
    SELECT s.device_id, s.sequence, s.sequence, 'chain_broken' FROM offline_scans s
    WHERE EXISTS (SELECT FROM offline_scans p
                  WHERE p.device_id = s.device_id AND p.sequence = s.sequence - 1)
      AND NOT EXISTS (SELECT FROM offline_scans p
                      WHERE p.device_id = s.device_id AND p.sequence = s.sequence - 1
                        AND p.scan_id = s.previous_id AND p.scanned_at <= s.scanned_at)
    UNION ALL
    SELECT device_id, sequence, sequence, 'number_twice' FROM offline_scans
    GROUP BY device_id, sequence HAVING count(*) > 1
    ORDER BY 1, 2 LIMIT :limit
""")
_DISPUTES: Final = text("""
    SELECT o.device_id, o.scan_id, o.sequence, o.merchant_id, o.shop_id, o.benefit_code,
        o.scanned_at, o.received_at, o.fault, o.standing, o.online_redeemed_at,
        d.outcome, d.reason_code, d.decided_at,
        CASE WHEN o.standing = 'disputed' THEN o.first_device_id END AS first_device_id,
        CASE WHEN o.standing = 'disputed' THEN o.first_scan_id END AS first_scan_id,
        CASE WHEN o.standing = 'disputed' THEN o.first_scanned_at END AS first_scanned_at
    FROM offline_standing o
    LEFT JOIN offline_decisions d ON d.device_id = o.device_id AND d.scan_id = o.scan_id
    WHERE (o.standing <> 'counted' OR o.online_redeemed_at IS NOT NULL)
      AND (d.scan_id IS NOT NULL) = :decided
      AND (CAST(:after AS bytea) IS NULL OR (o.received_at, o.device_id, o.scan_id) > (
          SELECT a.received_at, a.device_id, a.scan_id FROM offline_scans a
          WHERE a.scan_id = CAST(:after AS bytea) ORDER BY 1, 2 LIMIT 1))
    ORDER BY o.received_at, o.device_id, o.scan_id LIMIT :limit
""")


@dataclass(frozen=True)
class ScanAnswer:
    """What became of a scan: counted, disputed, or parked for its fault."""

    scan_id: bytes
    fault: str | None
    standing: str


@dataclass(frozen=True)
class UploadAnswer:
    """An answer for every scan, and what the device may do from now on (None: nothing)."""

    answers: tuple[ScanAnswer, ...]
    grant: bytes | None


def take_upload(*, keys: KeyProvider, device_id: UUID, upload: str) -> UploadAnswer:
    """Take what a device signed (base64); the same scans again change nothing.

    Refuses `device_unknown`, `offline_upload_unreadable`.
    """
    device = find_device(device_id=device_id)
    if device is None:
        raise DeviceUnknown
    read = _read(device, upload)
    answers = _take(keys, device, read) if read.records or read.last_sequence else ()
    return UploadAnswer(answers, grant_device(keys=keys, device=device))


def list_gaps(*, limit: int) -> list[Mapping[str, Any]]:
    """Numbers that are missing, links that do not fit, numbers used twice; by device."""
    with reading() as session:
        return [row._asdict() for row in session.execute(_GAPS, {"limit": limit})]


def list_disputes(
    *, limit: int, after: str | None = None, decided: bool = False
) -> list[Mapping[str, Any]]:
    """Scans that do not count, each with the one that does; the first received first.

    Those that wait for an operator, or those that were `decided`.
    `after` is the last scan of the page before, hexadecimal.
    """
    last = None if after is None else bytes.fromhex(after)
    with reading() as session:
        asked = {"limit": limit, "after": last, "decided": decided}
        rows = session.execute(_DISPUTES, asked)
        return [row._asdict() for row in rows]


def list_unissued() -> list[Mapping[str, Any]]:
    """Scans of codes with a good signature that were never issued: somebody has a key."""
    query = (
        select(OfflineScan.device_id, OfflineScan.scanned_at, OfflineScan.code_digest)
        .where(OfflineScan.fault == "not_issued")
        .order_by(OfflineScan.received_at)
    )
    with reading() as session:
        return [row._asdict() for row in session.execute(query)]


def _read(device: EnrolledDevice, upload: str) -> Upload:
    try:
        envelope = b64decode(upload, validate=True)
    except ValueError as error:  # binascii.Error, or letters that are not ASCII
        raise refusals.OfflineUploadUnreadable(reason="not_base64") from error
    try:
        read = open_upload(envelope, {device.key.kid: device.key}.get)
    except BadEnvelopeError as error:
        raise refusals.OfflineUploadUnreadable(reason=error.reason) from error
    if read.device_id != device.device_id:
        raise refusals.OfflineUploadUnreadable(reason="another_device")
    return read


def _take(keys: KeyProvider, device: EnrolledDevice, upload: Upload) -> tuple[ScanAnswer, ...]:
    known = voucher_keys_ever(keys)
    records = {record.scan_id: record for record in upload.records}
    judged = {scan_id: _judge(record, known) for scan_id, record in records.items()}
    fault_of_device = _fault_of_device(device)
    with transaction() as session:
        rows = session.execute(_TAKE, {
            "device": device.device_id, "merchant": device.merchant_id, "shop": device.shop_id,
            "shop_name": device.shop_name, "head": upload.last_sequence,
            "request_id": request_id.get(), "tolerance": TOLERANCE,
            "scan_ids": list(records),
            "sequences": [record.sequence for record in records.values()],
            "previous_ids": [record.previous for record in records.values()],
            "scanned_ats": [record.scanned_at for record in records.values()],
            "code_digests": [digest for digest, _ in judged.values()],
            "faults": [fault_of_device or fault for _, fault in judged.values()],
            "records": [record.dump() for record in records.values()],
            "messages": [new_id() for _ in records],
        }).all()  # fmt: skip
    answers = {bytes(row.scan_id): ScanAnswer(bytes(row.scan_id), row.fault, row.standing)
               for row in rows}  # fmt: skip
    return tuple(answers[scan_id] for scan_id in records)


def _judge(
    record: ScanRecord, known: Mapping[bytes, PublicKey]
) -> tuple[bytes | None, str | None]:
    """Under which digest the code was issued, or what is wrong with the code itself."""
    try:
        return read_code(record.code, known.get).digest, None
    except BadEnvelopeError as error:
        return None, f"code_{error.reason}"


def _fault_of_device(device: EnrolledDevice) -> str | None:
    if device.switched_off_at is not None:
        return "device_switched_off"
    return "merchant_suspended" if device.merchant_suspended else None

"""The bodies and answers of offline codes and devices."""

from __future__ import annotations

from marshmallow import fields, validate

from app.redemptions.offline_decisions import OUTCOMES, REASON_CODES
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

UPLOAD_MAX_CHARS = 600_000
SCAN_ID = validate.Regexp(r"[0-9a-f]{64}\Z")


class OfflineCode(ApiSchema):
    """A code that scanners check without the platform."""

    code = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)


class Upload(ApiSchema):
    """Scans as their device signed them (`UPLOAD` envelope), base64."""

    device_id = fields.UUID(required=True)
    upload = fields.String(required=True, validate=validate.Length(1, UPLOAD_MAX_CHARS))


class ScanAnswer(ApiSchema):
    """What became of a scan: `standing` is counted, disputed, or parked for its `fault`."""

    scan_id = fields.String(required=True)
    fault = fields.String(required=True, allow_none=True)
    standing = fields.String(required=True)


class UploadAnswer(ApiSchema):
    """An answer for each scan; `grant` (base64) is null when the device may nothing any more."""

    answers = fields.List(fields.Nested(ScanAnswer), required=True)
    grant = fields.String(required=True, allow_none=True)


class DisputePage(ApiSchema):
    """How many, and the last scan of the page before."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    after = fields.String(load_default=None, validate=SCAN_ID)
    decided = fields.Boolean(load_default=False)


class Decide(ApiSchema):
    """Whether a scan counts for its merchant, and why."""

    device_id = fields.UUID(required=True)
    scan_id = fields.String(required=True, validate=SCAN_ID)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    reason_code = fields.String(required=True, validate=validate.OneOf(REASON_CODES))


class Decision(ApiSchema):
    """What was decided, for good."""

    device_id = fields.UUID(required=True)
    scan_id = fields.String(required=True)
    outcome = fields.String(required=True)
    reason_code = fields.String(required=True)
    decided_by = fields.UUID(required=True)
    decided_at = fields.AwareDateTime(required=True)


class ShopScanPage(ApiSchema):
    """A shop: how many, and the time of the last scan of the page before."""

    shop_id = fields.UUID(required=True)
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.AwareDateTime(load_default=None)


class ShopScan(ApiSchema):
    """A scan as its shop sees it: nothing about the person; `outcome` null: nobody decided."""

    device_id = fields.UUID(required=True)
    scan_id = fields.String(required=True)
    benefit_code = fields.String(required=True, allow_none=True)
    scanned_at = fields.AwareDateTime(required=True)
    received_at = fields.AwareDateTime(required=True)
    standing = fields.String(required=True)
    fault = fields.String(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    reason_code = fields.String(required=True, allow_none=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)
    is_counted = fields.Boolean(required=True)


class ShopScans(ApiSchema):
    """What the devices of a shop took off line, the latest first."""

    scans = fields.List(fields.Nested(ShopScan), required=True)


class Dispute(ApiSchema):
    """A scan that does not count, or beat a redemption on line, and the scan that counts."""

    device_id = fields.UUID(required=True)
    scan_id = fields.String(required=True)
    sequence = fields.Integer(required=True)
    merchant_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True, allow_none=True)
    scanned_at = fields.AwareDateTime(required=True)
    received_at = fields.AwareDateTime(required=True)
    fault = fields.String(required=True, allow_none=True)
    standing = fields.String(required=True)
    first_device_id = fields.UUID(required=True, allow_none=True)
    first_scan_id = fields.String(required=True, allow_none=True)
    first_scanned_at = fields.AwareDateTime(required=True, allow_none=True)
    online_redeemed_at = fields.AwareDateTime(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    reason_code = fields.String(required=True, allow_none=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)


class Disputes(ApiSchema):
    """Scans to settle."""

    disputes = fields.List(fields.Nested(Dispute), required=True)


class GapPage(ApiSchema):
    """How many."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))


class Gap(ApiSchema):
    """Numbers of a device: missing, chain_broken, or number_twice."""

    device_id = fields.UUID(required=True)
    first_sequence = fields.Integer(required=True)
    last_sequence = fields.Integer(required=True)
    kind = fields.String(required=True)


class Gaps(ApiSchema):
    """What does not fit."""

    gaps = fields.List(fields.Nested(Gap), required=True)

"""The bodies and answers of credit repair."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.records.severity import Severity
from app.records.steps import RECORD_NUMBER_MAX_CHARS
from app.trail.operations import REASON_MAX_CHARS, REASON_MIN_CHARS
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

TEXT_MAX_CHARS = 1_000
_CODE = validate.Regexp(r"^[a-z][a-z0-9_]{1,39}\Z")
_MAYBE: dict[str, Any] = {"required": True, "allow_none": True}


def _text() -> fields.String:
    return fields.String(required=True, validate=validate.Length(1, TEXT_MAX_CHARS))


class OwnAdverseRecord(ApiSchema):
    """An adverse record that counts now; from `ends_on` on it does not."""

    record_type = fields.String(required=True, attribute="record.record_type")
    record_number = fields.String(required=True, attribute="record.record_number")
    title = fields.String(required=True)
    legal_basis = fields.String(required=True)
    severity = fields.Enum(Severity, by_value=True, **_MAYBE)
    event_on = fields.Date(required=True, attribute="record.event_on")
    ends_on = fields.Date(required=True, attribute="record.ends_on")
    repair_from_on = fields.Date(required=True)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "An objection to the record is open."}
    )


class OwnAdverseRecords(ApiSchema):
    """Every adverse record of the caller that counts now."""

    records = fields.List(fields.Nested(OwnAdverseRecord), required=True)


class NewRepair(ApiSchema):
    """Which record, what proves that it is mended, and what the caller commits to."""

    application_id = fields.UUID(required=True)
    record_type = fields.String(required=True, validate=_CODE)
    record_number = fields.String(
        required=True, validate=validate.Length(1, RECORD_NUMBER_MAX_CHARS)
    )
    evidence = _text()
    commitment = _text()


class RepairLine(ApiSchema):
    """An application in a list."""

    application_id = fields.UUID(required=True)
    record_type = fields.String(required=True)
    record_number = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"description": "`open`, `granted`, `rejected`."}
    )
    filed_on = fields.Date(required=True)
    decide_due_on = fields.Date(required=True)
    decided_at = fields.AwareDateTime(**_MAYBE)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "An objection to its rejection is open."}
    )


class RepairLines(ApiSchema):
    """What is to be decided."""

    repairs = fields.List(fields.Nested(RepairLine), required=True)


class Repair(ApiSchema):
    """An application with what was written."""

    line = fields.Nested(RepairLine, required=True)
    evidence = fields.String(required=True)
    commitment = fields.String(required=True)
    reasons = fields.String(**_MAYBE)
    decided_by = fields.String(**_MAYBE)


class Repairs(ApiSchema):
    """The caller's applications."""

    repairs = fields.List(fields.Nested(Repair), required=True)


class RepairPage(ApiSchema):
    """The most urgent first."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))
    at_risk = fields.Boolean(
        load_default=False, metadata={"description": "Only what is due by the next working day."}
    )


class RepairReason(ApiSchema):
    """Why an application is opened; the citizen reads it."""

    reason = fields.String(
        required=True, validate=validate.Length(REASON_MIN_CHARS, REASON_MAX_CHARS)
    )


class RepairDecision(ApiSchema):
    """The outcome and its reasons, which the citizen reads."""

    outcome = fields.String(required=True, validate=validate.OneOf(["granted", "rejected"]))
    reasons = _text()


class NoticePage(ApiSchema):
    """Which page of the notices."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))
    after = fields.UUID(metadata={"description": "The last id of the page before."})


class EndNotice(ApiSchema):
    """What was told up to `last_shared_at` rested on a record that has ended: ask anew."""

    notice_id = fields.UUID(required=True)
    receiver_kind = fields.String(required=True)
    receiver_id = fields.UUID(required=True)
    share_count = fields.Integer(required=True)
    last_shared_at = fields.AwareDateTime(required=True)
    ended_on = fields.Date(required=True)


class EndNotices(ApiSchema):
    """A page of notices, in the order of time."""

    notices = fields.List(fields.Nested(EndNotice), required=True)

"""The bodies and answers of objections."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.objections import items
from app.records.steps import RECORD_NUMBER_MAX_CHARS
from app.trail.operations import REASON_MAX_CHARS, REASON_MIN_CHARS
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

_CODE = validate.Regexp(r"^[a-z][a-z0-9_]{1,39}\Z")
_MAYBE: dict[str, Any] = {"required": True, "allow_none": True}
TEXT_MAX_CHARS = items.WORDS_MAX_CHARS


def _text() -> fields.String:
    return fields.String(required=True, validate=validate.Length(1, TEXT_MAX_CHARS))


class Reason(ApiSchema):
    """Why something is opened; the citizen reads it."""

    reason = fields.String(
        required=True, validate=validate.Length(REASON_MIN_CHARS, REASON_MAX_CHARS)
    )


class NewObjection(ApiSchema):
    """What the caller objects to, why, and in own words.

    A `record` by type and number, a `score_line` with its indicator too; a `redemption` and a
    refused `claim` by the voucher's id as `item_id`, an `order` and a rejected `repair` by their
    own.
    """

    objection_id = fields.UUID(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(items.KINDS))
    record_type = fields.String(validate=_CODE)
    record_number = fields.String(validate=validate.Length(1, RECORD_NUMBER_MAX_CHARS))
    indicator = fields.String(validate=validate.Regexp(r"^[a-z0-9][a-z0-9_]{0,39}\Z"))
    item_id = fields.UUID()
    reason = fields.String(required=True, validate=validate.OneOf(items.REASONS))
    words = _text()

    @validates_schema
    def require_subject(self, data: dict[str, Any], **_: Any) -> None:
        """Each kind is named in its own way."""
        needed = {"item_id"}
        if data.get("kind") in items.ABOUT_RECORDS:
            needed = {"record_type", "record_number"}
        if data.get("kind") == items.SCORE_LINE:
            needed |= {"indicator"}
        given = {
            name for name in ("record_type", "record_number", "indicator", "item_id")
            if name in data
        }
        if given != needed:
            message = f"exactly {', '.join(sorted(needed))} must be given"
            raise ValidationError(message)


class ObjectionPage(ApiSchema):
    """Which page of the caller's objections."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID(metadata={"description": "The last id of the page before."})


class AskedPage(ApiSchema):
    """Which page of a source's open objections."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))
    after = fields.UUID(metadata={"description": "The last id of the page before."})


class UndecidedPage(ApiSchema):
    """The most urgent first."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))
    at_risk = fields.Boolean(
        load_default=False, metadata={"description": "Only what is due by the next working day."}
    )


class ObjectionLine(ApiSchema):
    """An objection in a list."""

    objection_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    record_type = fields.String(**_MAYBE)
    record_number = fields.String(**_MAYBE)
    record_version = fields.Integer(**_MAYBE)
    indicator = fields.String(**_MAYBE)
    item_id = fields.UUID(**_MAYBE)
    reason = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"description": "`open`, `proposed` (to be voided), `decided`."}
    )
    round = fields.Integer(required=True, metadata={"description": "2: the second look."})
    filed_on = fields.Date(required=True)
    source_due_on = fields.Date(**_MAYBE)
    source_is_extended = fields.Boolean(required=True)
    answer = fields.String(**_MAYBE)
    answered_at = fields.AwareDateTime(**_MAYBE)
    decide_due_on = fields.Date(
        required=True, metadata={"description": "The last working day of the term."}
    )
    second_look_until = fields.Date(**_MAYBE)


class ObjectionLines(ApiSchema):
    """A page of objections."""

    objections = fields.List(fields.Nested(ObjectionLine), required=True)


class ObjectionAttachment(ApiSchema):
    """A file beside an objection."""

    attachment_id = fields.UUID(required=True)
    media_type = fields.String(required=True)
    size_bytes = fields.Integer(required=True)


class ObjectionDecision(ApiSchema):
    """How a round ended; who, by work name."""

    round = fields.Integer(required=True)
    outcome = fields.String(required=True)
    remedy = fields.String(**_MAYBE)
    reasons = fields.String(required=True)
    decided_by = fields.String(required=True)
    confirmed_by = fields.String(**_MAYBE)
    void_version = fields.Integer(**_MAYBE)
    decided_at = fields.AwareDateTime(required=True)


class Objection(ApiSchema):
    """An objection with everything in it."""

    line = fields.Nested(ObjectionLine, required=True)
    words = fields.String(required=True)
    machine_result = fields.Dict(
        required=True, metadata={"description": "What stood when the objection was filed."}
    )
    source_unit = fields.String(**_MAYBE)
    answer_reason = fields.String(**_MAYBE)
    proposal = fields.String(**_MAYBE)
    proposed_by = fields.String(**_MAYBE)
    attachments = fields.List(fields.Nested(ObjectionAttachment), required=True)
    decisions = fields.List(fields.Nested(ObjectionDecision), required=True)


class AskedObjection(ApiSchema):
    """What is said against a record of the calling source."""

    line = fields.Nested(ObjectionLine, required=True)
    words = fields.String(required=True)


class ObjectionAnswer(ApiSchema):
    """The source's answer; what is corrected or withdrawn it delivers as the next version."""

    answer = fields.String(required=True, validate=validate.OneOf(items.ANSWERS))
    reason = _text()


class NewObjectionDecision(ApiSchema):
    """The outcome and its reasons, which the citizen reads; `remedy` if it is upheld."""

    outcome = fields.String(required=True, validate=validate.OneOf(items.OUTCOMES))
    remedy = fields.String(validate=validate.OneOf(items.REMEDIES))
    reasons = _text()


class VoidingConfirmation(ApiSchema):
    """The second person's word."""

    is_confirmed = fields.Boolean(required=True)


class AttachmentForm(ApiSchema):
    """The id of the file, made by the sender."""

    attachment_id = fields.UUID(required=True)


class AttachmentFile(ApiSchema):
    """The file itself: JPEG, PNG or PDF, up to 5 MB."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})

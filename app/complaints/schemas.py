"""The bodies and answers of complaints and of merchants' public pages."""

from __future__ import annotations

from marshmallow import fields, validate

from app.complaints.categories import CATEGORIES
from app.merchants.schemas import Reason
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

TEXT = validate.Length(1, 500)
STATES = validate.OneOf(["open", "answered", "escalated", "decided"])


class NewComplaint(ApiSchema):
    """A complaint about an own redemption, named by its voucher."""

    complaint_id = fields.UUID(required=True)
    voucher_id = fields.UUID(required=True)
    category = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    text = fields.String(load_default=None, allow_none=True, validate=TEXT)
    text_shared = fields.Boolean(load_default=False)


class AnyComplaint(ApiSchema):
    """What everybody who sees a complaint sees of it: the redemption, nobody's name."""

    complaint_id = fields.UUID(required=True)
    redemption_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "Null where the voucher was used off line."},
    )
    shop_id = fields.UUID(required=True)
    category = fields.String(required=True)
    text_shared = fields.Boolean(required=True)
    state = fields.String(required=True, validate=STATES)
    due_on = fields.Date(
        required=True,
        allow_none=True,
        metadata={"description": "The merchant's last day; null: an operator decides at once."},
    )
    decide_due_on = fields.Date(
        required=True, metadata={"description": "The operator's last day, should it come to that."}
    )
    created_at = fields.AwareDateTime(required=True)
    answered_at = fields.AwareDateTime(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)


class EscalatedComplaint(AnyComplaint):
    """A complaint as operators see it."""

    merchant_id = fields.UUID(required=True)
    has_text = fields.Boolean(required=True)


class OwnComplaint(ApiSchema):
    """A complaint as its citizen sees it."""

    complaint = fields.Nested(AnyComplaint, required=True)
    text = fields.String(required=True, allow_none=True)
    answer = fields.String(required=True, allow_none=True)
    decision_reason = fields.String(required=True, allow_none=True)


class ComplaintPage(ApiSchema):
    """Which complaints to list."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID(load_default=None)


class OwnComplaints(ApiSchema):
    """A citizen's complaints, the latest first."""

    complaints = fields.List(fields.Nested(OwnComplaint), required=True)


class MerchantComplaints(ApiSchema):
    """The complaints about a merchant, the latest first."""

    complaints = fields.List(fields.Nested(AnyComplaint), required=True)


class EscalatedComplaints(ApiSchema):
    """The complaints that wait for an operator, the latest first."""

    complaints = fields.List(fields.Nested(EscalatedComplaint), required=True)


class ComplaintText(ApiSchema):
    """The words of a complaint."""

    text = fields.String(required=True)


class NewAnswer(ApiSchema):
    """The merchant's answer, which the citizen reads."""

    text = fields.String(required=True, validate=TEXT)


class NewDecision(Reason):
    """An operator's decision; the citizen reads the reason."""

    outcome = fields.String(required=True, validate=validate.OneOf(["upheld", "rejected"]))


class PublicCommitment(ApiSchema):
    """Which text of the integrity commitment was signed, and when."""

    commitment_version = fields.Integer(required=True, strict=True, allow_none=True)
    commitment_title = fields.String(required=True, allow_none=True)
    committed_at = fields.AwareDateTime(required=True, allow_none=True)


class PublicMerchant(PublicCommitment):
    """A merchant, as everybody may know it."""

    merchant_id = fields.UUID(required=True)
    name = fields.String(required=True)
    credit_code = fields.String(required=True)
    category = fields.String(required=True)


class PublicEntry(ApiSchema):
    """An honour, licence or penalty of the organisation within its time of publication."""

    kind = fields.String(required=True)
    grade = fields.String(required=True, allow_none=True)
    title = fields.String(required=True)
    document_number = fields.String(required=True)
    authority = fields.String(required=True)
    legal_basis = fields.String(required=True)
    issued_on = fields.Date(required=True)
    published_from = fields.Date(required=True)
    published_to = fields.Date(required=True)


class ComplaintFigures(ApiSchema):
    """How complaints are treated; the share is in whole percent of those that were due."""

    received_count = fields.Integer(required=True, strict=True)
    answered_count = fields.Integer(required=True, strict=True)
    in_time_percent = fields.Integer(required=True, strict=True, allow_none=True)


class PublicMerchantPage(ApiSchema):
    """The public page of a merchant; served benefits are null below 10, counted up to 10,000."""

    merchant = fields.Nested(PublicMerchant, required=True)
    entries = fields.List(fields.Nested(PublicEntry), required=True)
    served_count = fields.Integer(required=True, strict=True, allow_none=True)
    complaints = fields.Nested(ComplaintFigures, required=True)

"""The bodies and answers of applications, commitments and invitations."""

from __future__ import annotations

from marshmallow import fields, validate

from app.merchants.categories import CATEGORIES
from app.merchants.schemas import NAME, Reason
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

HASH = validate.Regexp(r"[0-9a-f]{64}\Z")
BENEFIT_CODE = validate.Regexp(r"[a-z][a-z0-9_]{1,39}\Z")  # a code, no free text
SECRET = validate.Regexp(r"[A-Za-z0-9_-]{32,64}\Z")
ROLE = validate.OneOf(["clerk", "merchant_owner"])
SHOPS_MAX = 50
BENEFITS_MAX = 50


class Commitment(ApiSchema):
    """A text of the integrity commitment; the hash is SHA-256 of title, line end and body."""

    version = fields.Integer(required=True, strict=True)
    title = fields.String(required=True)
    body = fields.String(required=True)
    text_hash = fields.String(required=True)
    published_at = fields.AwareDateTime(required=True)


class NewCommitment(Reason):
    """The next text."""

    title = fields.String(required=True, validate=NAME)
    body = fields.String(required=True, validate=validate.Length(10, 10_000))


class Place(ApiSchema):
    """A shop with its place, in millionths of a degree (GCJ-02, as WeChat's map has it)."""

    name = fields.String(required=True, validate=NAME)
    address = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 200))
    latitude_e6 = fields.Integer(
        load_default=None, allow_none=True, strict=True,
        validate=validate.Range(-90_000_000, 90_000_000),
    )
    longitude_e6 = fields.Integer(
        load_default=None, allow_none=True, strict=True,
        validate=validate.Range(-180_000_000, 180_000_000),
    )


class NewShop(Place):
    """A shop that an owner opens."""

    shop_id = fields.UUID(required=True)


class Ticket(ApiSchema):
    """What an applicant follows an application with; the applicant made both."""

    application_id = fields.UUID(required=True)
    secret = fields.String(required=True, validate=SECRET)


class NewApplication(Ticket):
    """An organisation's application."""

    credit_code = fields.String(required=True, validate=validate.Length(18, 64))
    name = fields.String(required=True, validate=NAME)
    category = fields.String(required=True, validate=validate.OneOf(list(CATEGORIES)))
    shops = fields.List(
        fields.Nested(Place), required=True, validate=validate.Length(1, SHOPS_MAX)
    )
    benefit_codes = fields.List(
        fields.String(validate=BENEFIT_CODE), load_default=list,
        validate=validate.Length(0, BENEFITS_MAX),
    )
    contact_name = fields.String(required=True, validate=validate.Length(1, 50))
    contact_phone = fields.String(required=True, validate=validate.Regexp(r"[0-9+-]{7,20}\Z"))
    text_version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 10_000))
    text_hash = fields.String(required=True, validate=HASH)


class Application(ApiSchema):
    """An application as the applicant sees it."""

    application_id = fields.UUID(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf(["open", "proposed", "approved", "refused"])
    )
    credit_code = fields.String(required=True)
    name = fields.String(required=True)
    category = fields.String(required=True)
    shops = fields.List(fields.Nested(Place), required=True)
    benefit_codes = fields.List(fields.String(), required=True)
    text_version = fields.Integer(required=True, strict=True)
    reason = fields.String(required=True, allow_none=True)
    merchant_id = fields.UUID(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)


class ReviewedApplication(Application):
    """An application as operators see it."""

    proposed_by = fields.UUID(required=True, allow_none=True)


class ApplicationPage(ApiSchema):
    """Which applications to list."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID()


class Applications(ApiSchema):
    """Applications, the latest first."""

    applications = fields.List(fields.Nested(ReviewedApplication), required=True)


class Contact(ApiSchema):
    """The person to ask about an application."""

    name = fields.String(required=True)
    phone = fields.String(required=True)


class NewStaffInvitation(ApiSchema):
    """Somebody who is to work for the merchant; `display_name` is what citizens read."""

    role = fields.String(required=True, validate=ROLE)
    display_name = fields.String(required=True, validate=validate.Length(1, 50))
    shop_id = fields.UUID(load_default=None, allow_none=True)


class StaffInvitation(ApiSchema):
    """A code that opens one account, shown once."""

    code = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)


class Acceptance(ApiSchema):
    """The code, and what its holder chooses."""

    code = fields.String(required=True, validate=validate.Length(16, 64))
    username = fields.String(required=True, validate=validate.Length(1, 64))
    password = fields.String(required=True, load_only=True, validate=validate.Length(1, 256))


class NewAccount(ApiSchema):
    """The account; the address is for the authenticator app and shown once."""

    staff_id = fields.UUID(required=True)
    totp_uri = fields.String(required=True)


class Move(ApiSchema):
    """Where somebody works from now on; null means in every shop."""

    shop_id = fields.UUID(required=True, allow_none=True)

"""The bodies and answers of the households' routes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.households.invitations import CODE_MAX_CHARS
from app.web.openapi import ApiSchema

VERSION = validate.Range(1, 1_000_000)
# The code for statistics of an administrative unit: a resident's number or phone never fits.
CODE = validate.Regexp(r"[0-9]{12}\Z")
PAGE_MAX_ROWS = 100


class Village(ApiSchema):
    """A village or residential community, a public unit."""

    village_code = fields.String(required=True, validate=CODE)
    name = fields.String(required=True, validate=validate.Length(1, 100))


class VillagesQuery(ApiSchema):
    """A page: what comes after a code."""

    after = fields.String(load_default="", validate=validate.Length(max=12))
    limit = fields.Integer(load_default=PAGE_MAX_ROWS, validate=validate.Range(1, PAGE_MAX_ROWS))


class Villages(ApiSchema):
    """The villages to choose from, by code."""

    villages = fields.List(fields.Nested(Village), required=True)


class ChosenVillage(ApiSchema):
    """Where the caller lives; null: nothing is said."""

    village_code = fields.String(required=True, allow_none=True, validate=CODE)


class MyVillage(ApiSchema):
    """Where the caller said to live."""

    village = fields.Nested(Village, required=True, allow_none=True)


class Agreement(ApiSchema):
    """The version of the text of purpose `household` that the caller agrees to."""

    text_version = fields.Integer(required=True, strict=True, validate=VERSION)


class InvitationCode(ApiSchema):
    """What the head of a household has handed on."""

    code = fields.String(required=True, validate=validate.Length(1, CODE_MAX_CHARS))


class Joining(Agreement, InvitationCode):
    """An invitation taken up."""


class Invitation(ApiSchema):
    """A code for one adult; told this once."""

    code = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)


class OpenInvitation(ApiSchema):
    """Whose household an invitation leads into; the name is masked."""

    head_name = fields.String(required=True)
    village = fields.Nested(Village, required=True, allow_none=True)


class HouseholdAdult(ApiSchema):
    """An adult of the household; the name is masked."""

    name = fields.String(required=True)
    is_head = fields.Boolean(required=True)
    is_me = fields.Boolean(required=True)
    since_on = fields.Date(required=True)
    counts = fields.Boolean(required=True)


class Household(ApiSchema):
    """The caller's household."""

    is_head = fields.Boolean(required=True)
    since_on = fields.Date(required=True)
    consent_state = fields.String(required=True)
    village = fields.Nested(Village, required=True, allow_none=True)
    adults = fields.List(fields.Nested(HouseholdAdult), required=True)

"""The bodies and answers of the members' routes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.members.profiles import PROFILE_FIELDS
from app.members.staff import STAFF_ROLES
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

TEXT_MAX_CHARS = 500


class StaffSignIn(ApiSchema):
    """All three are needed, always."""

    username = fields.String(required=True, validate=validate.Length(1, 64))
    password = fields.String(required=True, load_only=True, validate=validate.Length(1, 128))
    totp = fields.String(required=True, load_only=True, validate=validate.Regexp(r"[0-9]{6}\Z"))


class SourceSignIn(ApiSchema):
    """What a department's machine was given."""

    credential_id = fields.UUID(required=True)
    secret = fields.String(required=True, load_only=True, validate=validate.Length(1, 128))


class NewCredential(ApiSchema):
    """A new credential of a source; the secret, which is the signing key too, is told this once."""

    source_id = fields.UUID(required=True)
    credential_id = fields.UUID(required=True)
    secret = fields.String(required=True)


class ListedCredential(ApiSchema):
    """A credential without its secret; `ended_at` may be still to come."""

    credential_id = fields.UUID(required=True)
    can_sign = fields.Boolean(required=True)
    created_at = fields.AwareDateTime(required=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class Credentials(ApiSchema):
    """The credentials of a source, the newest first."""

    credentials = fields.List(fields.Nested(ListedCredential), required=True)


class SigningRule(ApiSchema):
    """Whether a source must sign every request, or may show tokens too."""

    source_id = fields.UUID(required=True)
    signed_only = fields.Boolean(required=True)


class SigningReason(ApiSchema):
    """Why, in words that are kept."""

    reason = fields.String(required=True, validate=validate.Length(1, 500))


class NewTokenWaiver(SigningReason):
    """A proposal to let a source show tokens, under an id that the caller makes (UUIDv7)."""

    waiver_id = fields.UUID(required=True)


class TokenWaiver(ApiSchema):
    """A proposal to let a source show tokens; `closed_at` is null while it can be confirmed."""

    waiver_id = fields.UUID(required=True)
    source_id = fields.UUID(required=True)
    created_at = fields.AwareDateTime(required=True)
    closed_at = fields.AwareDateTime(required=True, allow_none=True)


class CredentialEnd(ApiSchema):
    """When a credential ends; null: at once."""

    ends_at = fields.AwareDateTime(load_default=None, allow_none=True)


class Tokens(ApiSchema):
    """Tokens of one session; the refresh token is good for one use."""

    role = fields.String(required=True)
    access_token = fields.String(required=True)
    access_seconds = fields.Integer(required=True)
    refresh_token = fields.String(required=True)
    refresh_seconds = fields.Integer(required=True)


class ConsentDecision(ApiSchema):
    """The last decision on a purpose."""

    purpose = fields.String(required=True)
    text_version = fields.Integer(required=True)
    decision = fields.String(required=True)
    channel = fields.String(required=True)
    decided_at = fields.AwareDateTime(required=True)


class Me(ApiSchema):
    """A citizen's own data, masked."""

    citizen_id = fields.UUID(required=True)
    status = fields.String(required=True)
    joined_on = fields.Date(required=True)
    name = fields.String(required=True)
    id_number = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)
    consents = fields.List(fields.Nested(ConsentDecision), required=True)


class Masked(ApiSchema):
    """A citizen as everybody with a reason may see them: masked."""

    citizen_id = fields.UUID(required=True)
    status = fields.String(required=True)
    joined_on = fields.Date(required=True)
    name = fields.String(required=True)
    id_number = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)


class FindMember(ApiSchema):
    """Whom an operator looks for, and why."""

    id_number = fields.String(required=True, validate=validate.Length(1, 64))
    reason = fields.String(required=True, validate=validate.Length(max=TEXT_MAX_CHARS))


class Reveal(ApiSchema):
    """Which fields of whom an operator reads unmasked, and why."""

    citizen_id = fields.UUID(required=True)
    fields_ = fields.List(
        fields.String(validate=validate.OneOf(PROFILE_FIELDS)),
        required=True,
        data_key="fields",
        validate=validate.Length(1, len(PROFILE_FIELDS)),
    )
    reason = fields.String(required=True, validate=validate.Length(max=TEXT_MAX_CHARS))


class Revealed(ApiSchema):
    """The fields asked for, unmasked."""

    name = fields.String()
    id_number = fields.String()
    phone = fields.String(allow_none=True)


class TrailPage(ApiSchema):
    """Which part of the trail: the newest lines, or those before a line."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID(load_default=None)


class TrailLine(ApiSchema):
    """Who did what with a citizen's data, when and why."""

    trail_id = fields.UUID(required=True, attribute="line.trail_id")
    actor_kind = fields.String(required=True, attribute="line.actor_kind")
    actor_name = fields.String(required=True, allow_none=True)
    action = fields.String(required=True, attribute="line.action")
    fields_ = fields.List(
        fields.String(), required=True, attribute="line.fields", data_key="fields"
    )
    reason = fields.String(required=True, attribute="line.reason")
    basis = fields.String(required=True, attribute="line.basis")
    created_at = fields.AwareDateTime(required=True, attribute="line.created_at")
    told = fields.String(
        required=True, metadata={"description": "The line in plain words, to show as it is."}
    )


class Trail(ApiSchema):
    """A page of the trail, newest first."""

    lines = fields.List(fields.Nested(TrailLine), required=True)


class NewStaff(ApiSchema):
    """An account to be created."""

    username = fields.String(required=True, validate=validate.Length(3, 64))
    password = fields.String(required=True, load_only=True, validate=validate.Length(1, 256))
    role = fields.String(required=True, validate=validate.OneOf(STAFF_ROLES))
    display_name = fields.String(required=True, validate=validate.Length(1, 64))


class CreatedStaff(ApiSchema):
    """The account; the address for the authenticator app is shown once."""

    staff_id = fields.UUID(required=True)
    totp_uri = fields.String(required=True)


class EndedSessions(ApiSchema):
    """How many sessions were ended."""

    ended_sessions = fields.Integer(required=True)


class EndMemberSessions(ApiSchema):
    """Whose sessions an operator ends, and why."""

    citizen_id = fields.UUID(required=True)
    reason = fields.String(required=True, validate=validate.Length(max=TEXT_MAX_CHARS))


class UnbindWeChat(ApiSchema):
    """Whose lost WeChat account is taken off, and why."""

    citizen_id = fields.UUID(required=True)
    reason = fields.String(required=True, validate=validate.Length(max=TEXT_MAX_CHARS))


class ConsentText(ApiSchema):
    """The newest text that is agreed to for a purpose."""

    purpose = fields.String(required=True)
    version = fields.Integer(required=True)
    receiver = fields.String(required=True)
    required = fields.Boolean(required=True)
    sensitive = fields.Boolean(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True)
    answer_due_on = fields.Date(
        required=True, allow_none=True,
        metadata={"description": "A changed text without which nobody is a member: who has not"
                                 " agreed by this day rests until they do."},
    )


class ConsentTexts(ApiSchema):
    """The newest text of every purpose, required ones first."""

    texts = fields.List(fields.Nested(ConsentText), required=True)

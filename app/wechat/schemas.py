"""The bodies and answers of signing in and joining by WeChat."""

from __future__ import annotations

from marshmallow import fields, post_load, validate

from app.members.operations import GivenConsent
from app.members.schemas import Tokens
from app.web.openapi import ApiSchema

CODE_MAX_CHARS = 256
TICKET_MAX_CHARS = 512


class WeChatSignIn(ApiSchema):
    """What `wx.login` gave."""

    code = fields.String(
        required=True, load_only=True, validate=validate.Length(1, CODE_MAX_CHARS)
    )


class SignedIn(ApiSchema):
    """Tokens for a member; for everybody else a ticket to join with."""

    tokens = fields.Nested(Tokens, allow_none=True, required=True)
    join_ticket = fields.String(allow_none=True, required=True)
    join_ticket_seconds = fields.Integer(allow_none=True, required=True)


class Consent(ApiSchema):
    """A yes to one purpose, as its text was shown."""

    purpose = fields.String(required=True, validate=validate.Length(1, 40))
    text_version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 10**6))

    @post_load
    def _given(self, data: dict[str, object], **_: object) -> GivenConsent:
        return GivenConsent(str(data["purpose"]), int(str(data["text_version"])))


class PayScoreConfirmation(ApiSchema):
    """What the mini-program opens in WeChat so that the holder confirms the order."""

    package = fields.String(required=True)


class PayScorePermissionRequest(ApiSchema):
    """What the mini-program hands to WeChat so that the holder may permit orders."""

    apply_permissions_token = fields.String(required=True)


class PayScorePermission(ApiSchema):
    """Whether the holder permits orders without confirming each."""

    is_given = fields.Boolean(required=True)


class Join(ApiSchema):
    """Who joins, and what is agreed to."""

    ticket = fields.String(
        required=True, load_only=True, validate=validate.Length(1, TICKET_MAX_CHARS)
    )
    name = fields.String(required=True, load_only=True, validate=validate.Length(1, 128))
    id_number = fields.String(required=True, load_only=True, validate=validate.Length(1, 64))
    phone_code = fields.String(
        required=True, load_only=True, validate=validate.Length(1, CODE_MAX_CHARS)
    )
    consents = fields.List(
        fields.Nested(Consent), required=True, validate=validate.Length(1, 20)
    )


class CopyRequest(WeChatSignIn):
    """A new code of `wx.login`, and the number that the caller gives the copy."""

    copy_id = fields.UUID(required=True)

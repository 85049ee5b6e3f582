"""The bodies and answers of the rights."""

from __future__ import annotations

from marshmallow import fields, validate

from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

TEXT_VERSION_MAX = 10_000
SECRET_MAX_CHARS = 64
PURPOSE = validate.Regexp(r"^[a-z_]{1,40}\Z")


class Purpose(ApiSchema):
    """What a consent is for."""

    purpose = fields.String(required=True, validate=PURPOSE)


class Decision(Purpose):
    """A yes or a no to one version of a text."""

    text_version = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, TEXT_VERSION_MAX)
    )


class Made(ApiSchema):
    """A decision as it was written down."""

    consent_id = fields.UUID(required=True)
    purpose = fields.String(required=True)
    text_version = fields.Integer(required=True)
    decision = fields.String(
        required=True, metadata={"description": "`given`, `withdrawn` or `refused`."}
    )
    channel = fields.String(required=True)
    decided_at = fields.AwareDateTime(required=True)


class Text(ApiSchema):
    """The text to show."""

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


class Standing(ApiSchema):
    """A purpose and how the caller stands to it."""

    text = fields.Nested(Text, required=True)
    state = fields.String(
        required=True,
        metadata={"description": "`given`, `stale` (older text), `withdrawn`, `refused`, `none`."},
    )
    decided_at = fields.AwareDateTime(required=True, allow_none=True)
    ask_again_at = fields.AwareDateTime(
        required=True, allow_none=True,
        metadata={"description": "Before this the citizen is not asked; null: may be asked."},
    )  # fmt: skip


class Standings(ApiSchema):
    """Every purpose."""

    consents = fields.List(fields.Nested(Standing), required=True)


class DecisionPage(ApiSchema):
    """Which page of the decisions."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID(metadata={"description": "The last id of the page before."})


class Decisions(ApiSchema):
    """Everything that was ever decided, the newest first."""

    decisions = fields.List(fields.Nested(Made), required=True)


class SignedReceipt(ApiSchema):
    """A receipt to keep."""

    receipt = fields.String(
        required=True, metadata={"description": "JSON text; its exact bytes in UTF-8 are signed."}
    )
    signature = fields.String(
        required=True,
        metadata={"description": "Detached JWS; its kid names a key of /.well-known/jwks.json."},
    )


class Leave(ApiSchema):
    """That it is meant."""

    confirmed = fields.Boolean(required=True, validate=validate.Equal(comparable=True))


class Departure(ApiSchema):
    """How far an erasure is."""

    leaving_id = fields.UUID(required=True)
    left_at = fields.AwareDateTime(required=True)
    erase_by_at = fields.AwareDateTime(required=True)
    permission_ended_at = fields.AwareDateTime(
        required=True, allow_none=True,
        metadata={"description": "Since then WeChat Pay debits nothing more without asking."},
    )  # fmt: skip
    reduced_at = fields.AwareDateTime(
        required=True, allow_none=True,
        metadata={"description": "Since then only what settles open orders is kept."},
    )  # fmt: skip
    erased_at = fields.AwareDateTime(required=True, allow_none=True)


class AskedCopy(ApiSchema):
    """A copy that was asked for."""

    copy_id = fields.UUID(required=True)
    is_beyond_free = fields.Boolean(
        required=True, metadata={"description": "The two free ones of the year were used up."}
    )
    asked_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True)
    state = fields.String(
        required=True, metadata={"description": "`asked`, `ready`, `taken` or `over`."}
    )


class CopyTicket(ApiSchema):
    """What opens the copy: told once."""

    copy = fields.Nested(AskedCopy, required=True)
    secret = fields.String(
        required=True, metadata={"description": "Opens the copy once, before `expires_at`."}
    )


class AskedCopies(ApiSchema):
    """The last copies, the newest first."""

    copies = fields.List(fields.Nested(AskedCopy), required=True)


class CopySecret(ApiSchema):
    """What was told when the copy was asked for."""

    secret = fields.String(
        required=True, load_only=True, validate=validate.Length(1, SECRET_MAX_CHARS)
    )

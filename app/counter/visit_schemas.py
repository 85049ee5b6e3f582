"""The bodies and answers of visits: what an operator does for a holder who is there."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.counter.schemas import ID_NUMBER_MAX_CHARS, PIN, REASON_MAX_CHARS, TOTP
from app.ledger.schemas import Balance, Entry
from app.members.spelling import NAME_MAX_CHARS
from app.redemptions.schemas import SCANNED, Voucher
from app.rights.schemas import PURPOSE, TEXT_VERSION_MAX, SignedReceipt, Standing
from app.scoring.schemas import ScoreExplanation
from app.web.openapi import ApiSchema

PHONE_MAX_CHARS: Final = 32  # typed with blanks, perhaps
CONSENTS_MAX: Final = 20


def _version() -> fields.Integer:
    return fields.Integer(
        required=True, strict=True, validate=validate.Range(1, TEXT_VERSION_MAX)
    )


def _read_aloud() -> fields.Boolean:
    return fields.Boolean(
        required=True, validate=validate.Equal(comparable=True),
        metadata={"description": "That this text was read out, and answered by itself."},
    )  # fmt: skip


class NewVisit(ApiSchema):
    """Who is there: by `pin` with the paper card, by `document` with the identity card."""

    visit_id = fields.UUID(required=True)
    way = fields.String(required=True, validate=validate.OneOf(("pin", "document")))
    card = fields.String(load_only=True, validate=SCANNED)
    id_number = fields.String(
        load_only=True, validate=validate.Length(1, ID_NUMBER_MAX_CHARS)
    )
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))
    totp = fields.String(required=True, load_only=True, validate=TOTP)

    @validates_schema
    def require_one(self, data: dict[str, Any], **_: Any) -> None:
        """Each way has its own card."""
        wanted = {"card"} if data.get("way") == "pin" else {"id_number"}
        if {"card", "id_number"} & set(data) != wanted:
            message = "card is given with pin, id_number with document"
            raise ValidationError(message)


class Visit(ApiSchema):
    """A visit; `is_open` false: it waits for the PIN."""

    visit_id = fields.UUID(required=True)
    way = fields.String(required=True)
    is_open = fields.Boolean(required=True)
    expires_at = fields.AwareDateTime(required=True)


class VisitPin(ApiSchema):
    """What the holder reads out."""

    pin = fields.String(required=True, load_only=True, validate=PIN)


class Overview(ApiSchema):
    """Everything that the holder sees on a phone."""

    name = fields.String(required=True, metadata={"description": "Masked."})
    score = fields.Nested(
        ScoreExplanation, required=True, allow_none=True,
        metadata={"description": "Null where none is shown yet."},
    )  # fmt: skip
    balance = fields.Nested(Balance, required=True)
    entries = fields.List(fields.Nested(Entry), required=True)
    vouchers = fields.List(fields.Nested(Voucher), required=True)
    consents = fields.List(fields.Nested(Standing), required=True)


class SheetOf(ApiSchema):
    """Which voucher's code is printed beside the overview, if any."""

    voucher_id = fields.UUID()


class VisitDecision(ApiSchema):
    """What the holder decides about one purpose, after its text was read out."""

    purpose = fields.String(required=True, validate=PURPOSE)
    text_version = _version()
    decision = fields.String(
        required=True, validate=validate.OneOf(("given", "refused", "withdrawn"))
    )
    was_read_aloud = _read_aloud()


class VoucherOfVisit(ApiSchema):
    """A voucher of the holder."""

    voucher_id = fields.UUID(required=True)


class ReadConsent(ApiSchema):
    """One consent, given by itself."""

    purpose = fields.String(required=True, validate=PURPOSE)
    text_version = _version()
    was_read_aloud = _read_aloud()


class NewJoining(ApiSchema):
    """Who joins at the counter, with the identity card that was looked at."""

    name = fields.String(required=True, load_only=True, validate=validate.Length(1, NAME_MAX_CHARS))
    id_number = fields.String(
        required=True, load_only=True, validate=validate.Length(1, ID_NUMBER_MAX_CHARS)
    )
    phone = fields.String(load_only=True, validate=validate.Length(1, PHONE_MAX_CHARS))
    consents = fields.List(
        fields.Nested(ReadConsent), required=True, validate=validate.Length(1, CONSENTS_MAX)
    )
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))
    totp = fields.String(required=True, load_only=True, validate=TOTP)


class Joined(ApiSchema):
    """The receipt of each consent, to print and hand over."""

    receipts = fields.List(fields.Nested(SignedReceipt), required=True)

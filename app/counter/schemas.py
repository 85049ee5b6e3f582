"""The bodies and answers of paper cards and their checks."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.redemptions.schemas import SCANNED
from app.service_orders.counter import Terms
from app.service_orders.schemas import AMOUNT
from app.web.openapi import ApiSchema

REASON_MAX_CHARS: Final = 500
ID_NUMBER_MAX_CHARS: Final = 64  # typed with blanks, perhaps
TOTP: Final = validate.Regexp(r"^[0-9]{6}\Z")
PIN: Final = validate.Regexp(r"^[0-9]{6}\Z")


class Holder(ApiSchema):
    """The person at the counter, whose identity card was looked at, and the operator's own code."""

    id_number = fields.String(required=True, validate=validate.Length(1, ID_NUMBER_MAX_CHARS))
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))
    totp = fields.String(required=True, load_only=True, validate=TOTP)


class NewCard(Holder):
    """A card under an id that the caller makes (UUIDv7) and keeps for retries."""

    card_id = fields.UUID(required=True)


class Card(ApiSchema):
    """A card to print."""

    card_id = fields.UUID(required=True)
    number = fields.String(required=True, metadata={"description": "For people, in groups of 4."})
    code = fields.String(required=True, metadata={"description": "To draw as QR."})
    issued_at = fields.AwareDateTime(required=True)


class OrderTerms(ApiSchema):
    """What a service order would be about."""

    line_id = fields.UUID(required=True)
    amount_fen = fields.Integer(required=True, strict=True, validate=AMOUNT)

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Terms:
        return Terms(**data)


class NewCheck(ApiSchema):
    """A card that was scanned or typed, under an id that the caller makes and keeps for retries."""

    check_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    card = fields.String(required=True, validate=SCANNED)
    way = fields.String(
        required=True, validate=validate.OneOf(("pin", "document")),
        metadata={
            "description": "`pin`: a message to the holder's phone; `document`: the clerk looks at"
            " the holder's identity card."
        },
    )  # fmt: skip
    terms = fields.Nested(
        OrderTerms, metadata={"description": "Of the service order that the check is for, if any."}
    )


class Check(ApiSchema):
    """A check that waits for the PIN or for the clerk's own code."""

    check = fields.String(required=True)
    way = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)


class CheckPassing(ApiSchema):
    """What ends a check well: exactly one of the two."""

    shop_id = fields.UUID(required=True)
    check = fields.String(required=True, validate=SCANNED)
    pin = fields.String(load_only=True, validate=PIN)
    totp = fields.String(load_only=True, validate=TOTP)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Exactly one is given."""
        if ("pin" in data) == ("totp" in data):
            message = "exactly one of pin, totp is needed"
            raise ValidationError(message)


class OrderPassing(CheckPassing):
    """What ends a check well, and the order (UUIDv7) that it opens, with the terms of the check."""

    order_id = fields.UUID(required=True)
    terms = fields.Nested(OrderTerms, required=True)

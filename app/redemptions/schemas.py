"""The bodies and answers of vouchers, scans and annulments."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.benefits.schemas import BENEFIT_CODE, Offer
from app.scoring.schemas import Way
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

SCANNED: Final = validate.Length(max=8_000)  # more than a QR picture can hold
MOMENT: Final = {"format": "date-time"}  # written by the SQL function


class Claim(ApiSchema):
    """Claim a benefit under an id that the caller makes (UUIDv7) and keeps for retries."""

    voucher_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True, validate=BENEFIT_CODE)
    slot_begins_at = fields.AwareDateTime(
        load_default=None,
        metadata={"description": "Which slot, where the benefit has slots; else left out."},
    )


class ClaimedVoucher(ApiSchema):
    """A voucher that was just claimed."""

    voucher_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True)
    name = fields.String(required=True)
    value = fields.Dict(required=True)
    price_points = fields.Integer(required=True)
    claimed_at = fields.AwareDateTime(required=True)
    usable_from_at = fields.AwareDateTime(
        allow_none=True, metadata={"description": "When its slot begins; null: at once."}
    )
    expires_at = fields.AwareDateTime(required=True)


class Voucher(ApiSchema):
    """A voucher of the caller."""

    voucher_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True)
    value = fields.Dict(required=True)
    price_points = fields.Integer(required=True)
    claimed_at = fields.AwareDateTime(required=True)
    usable_from_at = fields.AwareDateTime(required=True, allow_none=True)
    expires_at = fields.AwareDateTime(required=True)
    status = fields.String(
        required=True,
        metadata={
            "description": "claimed, redeemed, used_offline, annulled, expired or given_back"
        },
    )
    ended_at = fields.AwareDateTime(required=True, allow_none=True)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "An objection to its redemption is open."}
    )


class Eligibility(ApiSchema):
    """A claim that was not made."""

    offer = fields.Nested(Offer, required=True)
    reasons = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "The codes of all refusals; none: the claim would be accepted."},
    )
    ways = fields.List(
        fields.Nested(Way),
        required=True,
        metadata={"description": "What everybody may do for the score, the greatest gain first."},
    )


class VoucherPage(ApiSchema):
    """How many, and the last voucher of the page before."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID(load_default=None)


class Vouchers(ApiSchema):
    """Vouchers of the caller, the latest claimed first."""

    vouchers = fields.List(fields.Nested(Voucher), required=True)


class Code(ApiSchema):
    """A code to draw as QR, or to read out."""

    code = fields.String(required=True)


class PassCode(ApiSchema):
    """A code that says who stands here; draw a new one well before it expires."""

    code = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)
    refresh_after_seconds = fields.Integer(required=True)


class Preview(ApiSchema):
    """Look at what was scanned or typed: exactly one of the two."""

    shop_id = fields.UUID(required=True)
    code = fields.String(validate=SCANNED)
    manual_code = fields.String(validate=SCANNED)

    @validates_schema
    def check_presented(self, data: dict[str, Any], **_: Any) -> None:
        """Exactly one thing was presented."""
        _require_one(data, ("code", "manual_code"))


class UsableVoucher(ApiSchema):
    """A claimed voucher that can be redeemed here now."""

    value = fields.Dict(required=True)
    price_points = fields.Integer(required=True)
    expires_at = fields.String(required=True, metadata=MOMENT)


class PreviewedBenefit(ApiSchema):
    """What the person gets of a benefit that this merchant takes."""

    benefit_code = fields.String(required=True)
    name = fields.String(required=True)
    eligible = fields.Boolean(
        required=True, metadata={"description": "true: better than the baseline"}
    )
    value = fields.Dict(required=True)
    price_points = fields.Integer(required=True)
    vouchers = fields.List(fields.Nested(UsableVoucher), required=True)


class PreviewAnswer(ApiSchema):
    """Of a person: `reference` and `benefits`.  Of a voucher: the rest."""

    kind = fields.String(required=True, metadata={"description": "person or voucher"})
    reference = fields.String(
        metadata={"description": "Redeem with it within 120 seconds, once, as the same clerk."}
    )
    benefits = fields.List(fields.Nested(PreviewedBenefit))
    benefit_code = fields.String()
    value = fields.Dict()
    price_points = fields.Integer()
    expires_at = fields.String(metadata=MOMENT)


class Redeem(ApiSchema):
    """Redeem what was scanned, typed or previewed: exactly one of the three.

    `redemption_id` is made by the caller (UUIDv7) before sending and kept for retries.
    """

    redemption_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    code = fields.String(validate=SCANNED)
    reference = fields.String(validate=SCANNED)
    manual_code = fields.String(validate=SCANNED)
    benefit_code = fields.String(validate=BENEFIT_CODE)

    @validates_schema
    def check_presented(self, data: dict[str, Any], **_: Any) -> None:
        """Exactly one thing was presented."""
        _require_one(data, ("code", "reference", "manual_code"))


class RedeemAnswer(ApiSchema):
    """A redemption; the receipt is what an annulment takes."""

    redemption_id = fields.UUID(required=True)
    receipt = fields.String(required=True)
    benefit_code = fields.String(required=True)
    value = fields.Dict(required=True)
    price_points = fields.Integer(required=True)
    shop_name = fields.String(required=True)
    redeemed_at = fields.AwareDateTime(required=True)


class Annul(ApiSchema):
    """Take back the redemption of a receipt."""

    annulment_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    receipt = fields.String(required=True, validate=SCANNED)


class AnnulAnswer(ApiSchema):
    """A redemption that was taken back."""

    annulment_id = fields.UUID(required=True)
    redemption_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True)
    returned_points = fields.Integer(required=True)
    annulled_at = fields.AwareDateTime(required=True)


class RedemptionPage(ApiSchema):
    """A shop's day: how many, and the time of the last line of the page before."""

    shop_id = fields.UUID(required=True)
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.AwareDateTime(load_default=None)


class ShopRedemption(ApiSchema):
    """A redemption as its shop sees it: nothing about the person."""

    receipt = fields.String(required=True)
    redemption_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True)
    price_points = fields.Integer(required=True)
    redeemed_at = fields.AwareDateTime(required=True)
    annulled_at = fields.AwareDateTime(required=True, allow_none=True)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "The holder objects to it; see docs/objections.md."}
    )


class ShopRedemptions(ApiSchema):
    """What a shop redeemed today, the latest first."""

    redemptions = fields.List(fields.Nested(ShopRedemption), required=True)


def _require_one(data: dict[str, Any], names: tuple[str, ...]) -> None:
    if sum(name in data for name in names) != 1:
        message = f"exactly one of {', '.join(names)} is needed"
        raise ValidationError(message)

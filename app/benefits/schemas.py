"""The bodies and answers of the catalogue's routes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.web.openapi import ApiSchema

BENEFIT_CODE = validate.Regexp(r"[a-z][a-z0-9_]{1,39}\Z")


class ScoreStep(ApiSchema):
    """What is given from a score on."""

    least_score = fields.Integer(required=True)
    value = fields.Dict(required=True)


class Honour(ApiSchema):
    """What is given for a record of a type with one of these items; without items for any."""

    record_type = fields.String(required=True)
    items = fields.List(fields.String())
    value = fields.Dict(required=True)


class ClaimLimit(ApiSchema):
    """How many one person may claim in a period of the city."""

    count = fields.Integer(required=True)
    period = fields.String(required=True)


class PublishedBenefit(ApiSchema):
    """A benefit in force: what everybody gets, and what tiers add."""

    code = fields.String(required=True)
    version = fields.Integer(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    baseline = fields.Dict(required=True)
    tiers = fields.Dict(required=True)
    score_steps = fields.List(fields.Nested(ScoreStep), required=True)
    honours = fields.List(
        fields.Nested(Honour),
        required=True,
        metadata={"description": "What honoured people get, whatever their score; last is best."},
    )
    price_points = fields.Integer(required=True)
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(required=True, allow_none=True)
    weekdays = fields.List(fields.Integer(), required=True)
    open_from = fields.Time(required=True, allow_none=True)
    open_until = fields.Time(required=True, allow_none=True)
    claim_limit_count = fields.Integer(required=True, allow_none=True)
    claim_limit_period = fields.String(required=True, allow_none=True)
    claim_limits = fields.List(
        fields.Nested(ClaimLimit),
        required=True,
        metadata={"description": "All limits of a person, the shortest period first."},
    )
    voucher_life_seconds = fields.Integer(required=True)
    slot_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "With slots: a claim names one, and its voucher is good in it."},
    )
    slot_capacity = fields.Integer(required=True, allow_none=True)
    slot_days_ahead = fields.Integer(required=True, allow_none=True)
    slot_give_back_seconds = fields.Integer(required=True, allow_none=True)
    subsidy_payer = fields.String(required=True, allow_none=True)
    subsidy_fen = fields.Integer(required=True)
    confirm_above_fen = fields.Integer(required=True, allow_none=True)
    stacking_group = fields.String(required=True, allow_none=True)
    offline_allowed = fields.Boolean(
        required=True, metadata={"description": "Its vouchers can be shown without a network."}
    )
    offline_worth_fen = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "What a wrong use off line costs, where there is no subsidy."},
    )
    offline_unsent_max = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "How many uses one device takes off line before it uploads."},
    )


class Benefits(ApiSchema):
    """The catalogue in force."""

    benefits = fields.List(fields.Nested(PublishedBenefit), required=True)


class SlotDay(ApiSchema):
    """A day in the city; without it today."""

    on = fields.Date(load_default=None)


class Slot(ApiSchema):
    """A slot that is not over, and how many places it has left."""

    begins_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    left_count = fields.Integer(required=True)


class Slots(ApiSchema):
    """The slots of a day; none where the benefit has none on it."""

    slots = fields.List(fields.Nested(Slot), required=True)


class NextTier(ApiSchema):
    """What gives more next, and how far away it is; without a tier it begins at a score."""

    tier = fields.String(required=True, allow_none=True)
    value = fields.Dict(required=True)
    missing_score = fields.Integer(required=True)


class Offer(ApiSchema):
    """A benefit as it stands for the caller."""

    benefit = fields.Nested(PublishedBenefit, required=True)
    value = fields.Dict(required=True)
    improved = fields.Boolean(required=True)
    why_not = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The code of the refusal a claim would get; null: claimable."},
    )
    missing_points = fields.Integer(required=True)
    consent_needed = fields.Boolean(
        required=True,
        metadata={"description": "The receiver is told the baseline until this is consented to."},
    )
    next_tier = fields.Nested(NextTier, required=True, allow_none=True)


class Offers(ApiSchema):
    """Every benefit in force as it stands for the caller."""

    offers = fields.List(fields.Nested(Offer), required=True)


class SignedStatement(ApiSchema):
    """A statement of the caller's tier, to be shown with its signature."""

    statement = fields.String(
        required=True, metadata={"description": "JSON text; its exact bytes in UTF-8 are signed."}
    )
    signature = fields.String(
        required=True,
        metadata={"description": "Detached JWS; its kid names a key of /.well-known/jwks.json."},
    )


class BenefitMerchant(ApiSchema):
    """A merchant that takes a benefit."""

    benefit_code = fields.String(required=True, validate=BENEFIT_CODE)
    merchant_id = fields.UUID(required=True)

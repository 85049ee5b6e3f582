"""The bodies and answers of guarantee lines and service orders; amounts in fen."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, post_load, validate

from app.benefits.schemas import BENEFIT_CODE
from app.redemptions.schemas import Eligibility as ClaimEligibility
from app.service_orders.acts import COLLECTIONS
from app.service_orders.lines import NewLine
from app.service_orders.references import REFERENCE_MAX_CHARS
from app.service_orders.transitions import State
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

AMOUNT_MAX_FEN: Final = 1_000_000
DAY_SECONDS: Final = 86_400
KINDS: Final = ("rental", "clinic")
GUARANTORS: Final = ("merchant", "bank", "hospital", "fund")
AMOUNT: Final = validate.Range(1, AMOUNT_MAX_FEN)
AMOUNT_OR_NONE: Final = validate.Range(0, AMOUNT_MAX_FEN)
BILL: Final = validate.Range(0, 100_000_000)
NAME: Final = validate.Length(1, 40)
NONCE: Final = validate.Regexp(r"[0-9A-Za-z]{6,32}\Z")
STATE: Final = {"enum": [state.value for state in State]}


class Reason(ApiSchema):
    """Why, in words that are kept."""

    reason = fields.String(required=True, validate=validate.Length(1, 500))


class LineProposal(Reason):
    """A line to propose, under an id that the caller makes (UUIDv7) and keeps for retries."""

    line_id = fields.UUID(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    name = fields.String(required=True, validate=NAME)
    guarantor_kind = fields.String(required=True, validate=validate.OneOf(GUARANTORS))
    guarantor_code = fields.String(required=True, validate=validate.Length(18, 64))
    guarantor_name = fields.String(required=True, validate=NAME)
    merchant_ids = fields.List(
        fields.UUID(), required=True, validate=validate.Length(1, PAGE_MAX_ROWS)
    )
    tiers = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 20)),
        values=fields.Integer(strict=True, validate=AMOUNT_OR_NONE),
        required=True, validate=validate.Length(1, 20),
        metadata={"description": "fen by tier; a higher tier never gets less"},
    )
    confirm_above_fen = fields.Integer(
        load_default=20_000, strict=True, validate=AMOUNT_OR_NONE,
        metadata={"description": "above it the holder confirms on the phone"},
    )
    start_within_seconds = fields.Integer(
        load_default=900, strict=True, validate=validate.Range(60, DAY_SECONDS)
    )
    use_within_seconds = fields.Integer(
        load_default=DAY_SECONDS, strict=True, validate=validate.Range(60, 60 * DAY_SECONDS)
    )
    claim_within_seconds = fields.Integer(
        load_default=DAY_SECONDS, strict=True, validate=validate.Range(0, 30 * DAY_SECONDS),
        metadata={"description": "how long after the use it may still be billed or claimed"},
    )
    pay_within_days = fields.Integer(
        load_default=10, strict=True, validate=validate.Range(0, 60)
    )
    collection = fields.String(load_default="counter", validate=validate.OneOf(COLLECTIONS))
    benefit_code = fields.String(
        required=True, validate=BENEFIT_CODE,
        metadata={"description": "the published benefit that it carries out"},
    )

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        outer = {name: data.pop(name) for name in ("line_id", "reason")}
        return {**outer, "line": NewLine(**data)}


class Line(ApiSchema):
    """A guarantee line."""

    line_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    guarantor_kind = fields.String(required=True)
    guarantor_code = fields.String(required=True)
    guarantor_name = fields.String(required=True)
    merchant_ids = fields.List(fields.UUID(), required=True)
    tiers = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    confirm_above_fen = fields.Integer(required=True)
    start_within_seconds = fields.Integer(required=True)
    use_within_seconds = fields.Integer(required=True)
    claim_within_seconds = fields.Integer(required=True)
    pay_within_days = fields.Integer(required=True)
    collection = fields.String(required=True)
    benefit_code = fields.String(required=True, allow_none=True)
    is_confirmed = fields.Boolean(required=True)


class Lines(ApiSchema):
    """All lines, the newest first."""

    lines = fields.List(fields.Nested(Line), required=True)


class OfferedLine(ApiSchema):
    """A line as it stands for the caller; `line_fen` 0 means: the ordinary way, like everybody."""

    line = fields.Nested(Line, required=True)
    line_fen = fields.Integer(required=True)
    available_fen = fields.Integer(required=True)
    consent_state = fields.String(required=True)
    is_overdue = fields.Boolean(required=True)
    reasons = fields.List(
        fields.String(), required=True,
        metadata={"description": "the codes of all refusals of an order; none: it can be made"},
    )


class OfferedLines(ApiSchema):
    """The lines in use."""

    lines = fields.List(fields.Nested(OfferedLine), required=True)


class Eligibility(ClaimEligibility):
    """A claim that was not made; of a guarantee an order, on one of the lines that carry it out."""

    lines = fields.List(
        fields.Nested(OfferedLine), required=True,
        metadata={"description": "of a guarantee; `reasons` are those of the best line"},
    )


class NewOrder(ApiSchema):
    """An order, under an id that the caller makes (UUIDv7) and keeps for retries."""

    order_id = fields.UUID(required=True)
    line_id = fields.UUID(required=True)
    amount_fen = fields.Integer(required=True, strict=True, validate=AMOUNT)


class Order(ApiSchema):
    """An order of the caller."""

    order_id = fields.UUID(required=True)
    line_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    line_name = fields.String(required=True)
    guarantor_name = fields.String(required=True)
    collection = fields.String(
        required=True,
        metadata={"description": "pay_score_confirm: the holder confirms it in WeChat first."},
    )
    state = fields.String(required=True, metadata=STATE)
    held_fen = fields.Integer(required=True)
    billed_fen = fields.Integer(required=True)
    insured_fen = fields.Integer(required=True)
    owed_fen = fields.Integer(required=True)
    use_ends_at = fields.AwareDateTime(
        required=True, metadata={"description": "By then it is to be back."}
    )
    deadline_at = fields.AwareDateTime(required=True, allow_none=True)
    due_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "The holder objects to it; see docs/objections.md."}
    )


class OrderPage(ApiSchema):
    """How many, and the last order of the page before."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.UUID(load_default=None)


class Orders(ApiSchema):
    """Orders of the caller, the latest first."""

    orders = fields.List(fields.Nested(Order), required=True)


class Reference(ApiSchema):
    """What the holder shows at the counter, to draw as QR."""

    reference = fields.String(required=True)


class OwnAct(ApiSchema):
    """An act of the holder, under an id that the caller makes (UUIDv7) and keeps for retries."""

    act_id = fields.UUID(required=True)


class Confirmation(OwnAct):
    """What the counter shows, scanned or typed by the holder."""

    nonce = fields.String(required=True, validate=NONCE)


class ClerkAct(OwnAct):
    """An act at a counter."""

    shop_id = fields.UUID(required=True)
    reference = fields.String(required=True, validate=validate.Length(1, REFERENCE_MAX_CHARS))


class Start(ClerkAct):
    """Hand over; the counter shows `nonce` for the holder to confirm, when that is needed."""

    nonce = fields.String(required=True, validate=NONCE)


class Bill(ClerkAct):
    """The bill: everything, and what insurance pays of it first."""

    total_fen = fields.Integer(required=True, strict=True, validate=BILL)
    insured_fen = fields.Integer(load_default=0, strict=True, validate=BILL)


class Claim(ClerkAct):
    """What is claimed for damage or delay."""

    amount_fen = fields.Integer(required=True, strict=True, validate=AMOUNT)


class Resolution(ClerkAct):
    """What stays of a disputed amount; 0 waives it."""

    amount_fen = fields.Integer(required=True, strict=True, validate=AMOUNT_OR_NONE)


class SeenOrder(ApiSchema):
    """An order as its merchant sees it: nothing about the person."""

    reference = fields.String(required=True)
    order_id = fields.UUID(required=True, attribute="order.order_id")
    kind = fields.String(required=True, attribute="order.kind")
    state = fields.String(required=True, attribute="order.state", metadata=STATE)
    held_fen = fields.Integer(required=True, attribute="order.held_fen")
    owed_fen = fields.Integer(required=True, attribute="order.owed_fen")
    use_ends_at = fields.AwareDateTime(required=True, attribute="order.use_ends_at")
    deadline_at = fields.AwareDateTime(
        required=True, allow_none=True, attribute="order.deadline_at",
        metadata={"description": "In use: until then it can be billed or claimed."},
    )
    due_at = fields.AwareDateTime(required=True, allow_none=True, attribute="order.due_at")
    created_at = fields.AwareDateTime(required=True, attribute="order.created_at")
    is_disputed = fields.Boolean(
        required=True, attribute="order.is_disputed",
        metadata={"description": "The holder objects to it; see docs/objections.md."},
    )


class SeenPage(ApiSchema):
    """How many, and the time of the last line of the page before."""

    shop_id = fields.UUID(required=True)
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.AwareDateTime(load_default=None)


class SeenOrders(ApiSchema):
    """The orders of a merchant, the latest made first."""

    orders = fields.List(fields.Nested(SeenOrder), required=True)


class LinesHere(ApiSchema):
    """In which shop."""

    shop_id = fields.UUID(required=True)


class SeenLine(ApiSchema):
    """A line as a counter needs it; above `confirm_above_fen` the holder's PIN is needed."""

    line_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    guarantor_name = fields.String(required=True)
    confirm_above_fen = fields.Integer(required=True)


class SeenLines(ApiSchema):
    """The lines of a counter, the newest first."""

    lines = fields.List(fields.Nested(SeenLine), required=True)

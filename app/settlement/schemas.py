"""The bodies and answers of settlement's routes."""

from __future__ import annotations

from typing import Final

from marshmallow import fields, validate

from app.settlement.reconciling import CLASSES
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

FEN_MAX: Final = 10_000_000_000
LINES_SHOWN_MAX: Final = 1_000
MONTH = validate.Regexp(r"20[0-9]{2}-(0[1-9]|1[0-2])\Z")
REASON = validate.Length(min=1, max=500)


class StatementQuery(ApiSchema):
    """Which day; an operator may name a merchant."""

    on = fields.Date(required=True, metadata={"description": "A day in the city."})
    merchant_id = fields.UUID(load_default=None)


class DayQuery(ApiSchema):
    """Which day in the city."""

    on = fields.Date(required=True)


class ClassCount(ApiSchema):
    """How many things fell into a class."""

    comparison = fields.String(
        required=True, validate=validate.OneOf(["ledger", "offline", "sheets", "pay_score"])
    )
    class_ = fields.String(required=True, data_key="class", validate=validate.OneOf(CLASSES))
    item_count = fields.Integer(required=True)


class Unmatched(ClassCount):
    """One thing that one side has and the other has not, or has otherwise."""

    class Meta(ApiSchema.Meta):
        """Each is one."""

        exclude = ("item_count",)

    subject = fields.String(
        required=True,
        metadata={"description": "A redemption, annulment, transfer, order, or kind of line."},
    )
    merchant_id = fields.UUID(required=True, allow_none=True)
    unit = fields.String(required=True, validate=validate.OneOf(["points", "fen", "items"]))
    our_amount = fields.Integer(required=True, allow_none=True)
    their_amount = fields.Integer(required=True, allow_none=True)
    happened_at = fields.DateTime(required=True)
    age_hours = fields.Integer(required=True)


class ReconciledDay(ApiSchema):
    """A day as it was last reconciled."""

    day_on = fields.Date(required=True)
    checked_at = fields.DateTime(required=True)
    counts = fields.List(fields.Nested(ClassCount), required=True)
    unmatched_count = fields.Integer(required=True)
    unmatched = fields.List(fields.Nested(Unmatched), required=True)


class SheetQuery(ApiSchema):
    """Which month; an operator may name a merchant."""

    month = fields.String(required=True, validate=MONTH)
    merchant_id = fields.UUID(load_default=None)


class MonthQuery(ApiSchema):
    """Which month."""

    month = fields.String(required=True, validate=MONTH)


class Page(ApiSchema):
    """How many at most; an operator may name a merchant."""

    limit = fields.Integer(
        load_default=PAGE_MAX_ROWS, validate=validate.Range(min=1, max=PAGE_MAX_ROWS)
    )
    merchant_id = fields.UUID(load_default=None)


class Line(ApiSchema):
    """Uses of one kind at one place; fen and points, negative where something is taken back."""

    merchant_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True, allow_none=True)
    kind = fields.String(required=True)
    what = fields.String(
        required=True, allow_none=True, metadata={"description": "A benefit, or a kind of order."}
    )
    version = fields.Integer(required=True, allow_none=True)
    party = fields.String(
        required=True, allow_none=True,
        metadata={"description": "Who pays the subsidy, or stands for the order."},
    )
    booked_on = fields.Date(
        required=True,
        metadata={"description": "The day it was written down; in a sheet the first of the month."},
    )
    origin_month_on = fields.Date(
        required=True, metadata={"description": "The first day of the month it happened in."}
    )
    item_count = fields.Integer(required=True)
    amount_points = fields.Integer(required=True)
    subsidy_fen = fields.Integer(required=True)
    order_fen = fields.Integer(required=True)
    owed_fen = fields.Integer(required=True)


class Apart(ApiSchema):
    """Scans off line that are in no sum."""

    merchant_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    what = fields.String(required=True, allow_none=True)
    standing = fields.String(
        required=True, validate=validate.OneOf(["parked", "disputed", "refused"])
    )
    item_count = fields.Integer(required=True)


class Totals(ApiSchema):
    """The sums of all lines, shown or not."""

    amount_points = fields.Integer(required=True)
    subsidy_fen = fields.Integer(required=True)
    order_fen = fields.Integer(required=True)
    owed_fen = fields.Integer(required=True)


class Seal(ApiSchema):
    """The head of a frozen sheet; `signature` covers `sealed_text` in UTF-8."""

    merchant_id = fields.UUID(required=True)
    month_on = fields.Date(required=True)
    line_count = fields.Integer(required=True)
    totals = fields.Nested(Totals, required=True)
    digest = fields.String(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf(["closed", "accepted", "objected", "answered"])
    )
    reason = fields.String(required=True, allow_none=True)
    sealed_text = fields.String(required=True)
    signature = fields.String(required=True)


class Statement(ApiSchema):
    """A day or a month; at most a thousand lines are shown, the files hold all."""

    from_on = fields.Date(required=True)
    until_on = fields.Date(
        required=True, metadata={"description": "The first day that is not in it."}
    )
    is_frozen = fields.Boolean(required=True)
    line_count = fields.Integer(required=True)
    lines = fields.List(fields.Nested(Line), required=True)
    apart = fields.List(fields.Nested(Apart), required=True)
    totals = fields.Nested(Totals, required=True)
    seals = fields.List(fields.Nested(Seal), required=True)


class Seals(ApiSchema):
    """Frozen sheets, the newest first."""

    sheets = fields.List(fields.Nested(Seal), required=True)


class Month(ApiSchema):
    """How far a month is."""

    month_on = fields.Date(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf(["proposed", "closing", "closed"])
    )
    closing_id = fields.UUID(required=True)
    proposed_by = fields.UUID(required=True)
    carried_over_count = fields.Integer(required=True)
    closed_at = fields.DateTime(required=True, allow_none=True)


class Months(ApiSchema):
    """Months that somebody proposed to close, the newest first."""

    months = fields.List(fields.Nested(Month), required=True)


class NewClosing(ApiSchema):
    """A proposal to close a month."""

    closing_id = fields.UUID(required=True)
    month = fields.String(required=True, validate=MONTH)
    carried_over_count = fields.Integer(
        load_default=0, validate=validate.Range(min=0, max=FEN_MAX), strict=True,
        metadata={"description": "How many undecided scans stay undecided on purpose."},
    )
    reason = fields.String(required=True, validate=REASON)


class ProposedClosing(ApiSchema):
    """A proposal as it stands."""

    closing_id = fields.UUID(required=True)
    month_on = fields.Date(required=True)
    carried_over_count = fields.Integer(required=True)
    proposed_by = fields.UUID(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["proposed", "closing"]))


class Reason(ApiSchema):
    """Why."""

    reason = fields.String(required=True, validate=REASON)


class SheetAnswer(ApiSchema):
    """What an owner says to a sheet; an objection needs a reason."""

    month = fields.String(required=True, validate=MONTH)
    answer = fields.String(required=True, validate=validate.OneOf(["accepted", "objected"]))
    reason = fields.String(load_default="", validate=validate.Length(max=500))


class NewCorrection(ApiSchema):
    """What is owed more, or less, for a closed month."""

    correction_id = fields.UUID(required=True)
    merchant_id = fields.UUID(required=True)
    month = fields.String(required=True, validate=MONTH)
    amount_fen = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=-FEN_MAX, max=FEN_MAX)
    )
    reason = fields.String(required=True, validate=REASON)


class Correction(ApiSchema):
    """A correction as it stands."""

    correction_id = fields.UUID(required=True)
    merchant_id = fields.UUID(required=True)
    origin_month_on = fields.Date(required=True)
    amount_fen = fields.Integer(required=True)
    reason = fields.String(required=True)


class Budget(ApiSchema):
    """A budget of subsidies in fen: left + held + spent - returned."""

    code = fields.String(required=True)
    subsidy_payer = fields.String(required=True)
    budget_fen = fields.Integer(required=True)
    left_fen = fields.Integer(required=True)
    held_fen = fields.Integer(required=True)
    spent_fen = fields.Integer(required=True)
    returned_fen = fields.Integer(required=True)
    is_even = fields.Boolean(
        required=True, metadata={"description": "Whether it adds up to the fen."}
    )


class Budgets(ApiSchema):
    """The budgets, by benefit."""

    budgets = fields.List(fields.Nested(Budget), required=True)


class UndecidedScan(ApiSchema):
    """A scan that does not count by itself and that nobody has decided."""

    device_id = fields.UUID(required=True)
    scan_id = fields.String(required=True)
    merchant_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    benefit_code = fields.String(required=True, allow_none=True)
    standing = fields.String(required=True)
    fault = fields.String(required=True, allow_none=True)
    scanned_at = fields.DateTime(required=True)
    received_at = fields.DateTime(required=True)


class UndecidedScans(ApiSchema):
    """The first received first."""

    scans = fields.List(fields.Nested(UndecidedScan), required=True)

"""The answers of the ledger's routes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

VERSION_MAX = 2**62


class Balance(ApiSchema):
    """Points now: what is due to expire does not count, what is held cannot be spent."""

    balance_points = fields.Integer(required=True)
    held_points = fields.Integer(required=True)
    available_points = fields.Integer(required=True)


class Lot(ApiSchema):
    """What is left of one grant; `expires_on` is the first day on which it no longer counts."""

    lot_id = fields.UUID(required=True)
    granted_points = fields.Integer(required=True)
    remaining_points = fields.Integer(required=True)
    held_points = fields.Integer(required=True)
    effective_on = fields.Date(required=True)
    expires_on = fields.Date(required=True)


class Lots(ApiSchema):
    """The lots that count now, in the order in which they are spent."""

    lots = fields.List(fields.Nested(Lot), required=True)


class EntriesQuery(ApiSchema):
    """Which page: entries below `before_version`."""

    before_version = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(1, VERSION_MAX)
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))


class Entry(ApiSchema):
    """One line of the account; `shortfall_points` is what a reversal could not take."""

    transfer_id = fields.UUID(required=True)
    account_version = fields.Integer(required=True)
    kind = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    reverses_id = fields.UUID(required=True, allow_none=True)
    amount_points = fields.Integer(required=True, attribute="amount_units")
    balance_after_points = fields.Integer(required=True, attribute="balance_after_units")
    shortfall_points = fields.Integer(required=True, attribute="shortfall_units")
    effective_on = fields.Date(required=True)
    created_at = fields.AwareDateTime(required=True)


class Entries(ApiSchema):
    """A page of the account, newest first."""

    entries = fields.List(fields.Nested(Entry), required=True)

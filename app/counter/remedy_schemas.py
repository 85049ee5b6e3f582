"""The bodies and answers of what a holder asks for and follows during a visit."""

from __future__ import annotations

from marshmallow import fields, validate

from app.complaints.schemas import OwnComplaint
from app.objections.schemas import Objection
from app.repairs.schemas import OwnAdverseRecord, Repair
from app.rights.schemas import AskedCopy
from app.service_orders.schemas import Order
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS


class Cases(ApiSchema):
    """What the holder has asked for and what came of it, the latest first.

    `adverse_records` are those that count now, with the day from which a repair may be asked for.
    """

    objections = fields.List(fields.Nested(Objection), required=True)
    adverse_records = fields.List(fields.Nested(OwnAdverseRecord), required=True)
    repairs = fields.List(fields.Nested(Repair), required=True)
    complaints = fields.List(fields.Nested(OwnComplaint), required=True)
    copies = fields.List(fields.Nested(AskedCopy), required=True)
    orders = fields.List(fields.Nested(Order), required=True)


class TrailPart(ApiSchema):
    """The newest lines of the holder's trail, or those before a line."""

    limit = fields.Integer(
        strict=True, load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS)
    )
    before = fields.UUID(load_default=None)


class SecondLookOf(ApiSchema):
    """Which objection of the holder is decided again."""

    objection_id = fields.UUID(required=True)


class CopyOfVisit(ApiSchema):
    """The number that the caller gives the copy (UUIDv7) and keeps for retries."""

    copy_id = fields.UUID(required=True)

"""The bodies and answers of the merchants' routes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.web.openapi import ApiSchema

NAME = validate.Length(1, 100)


class Reason(ApiSchema):
    """Why somebody acts; it is kept, and read by those whom it concerns."""

    reason = fields.String(required=True, validate=validate.Length(5, 500))


class NewSuspension(Reason):
    """Stop a merchant, under an id that the caller made."""

    suspension_id = fields.UUID(required=True)
    merchant_id = fields.UUID(required=True)


class Suspension(NewSuspension):
    """A suspension; it holds until `ended_at`."""

    suspended_at = fields.AwareDateTime(required=True)
    ending_proposed = fields.Boolean(required=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class Suspensions(ApiSchema):
    """The suspensions of a merchant."""

    suspensions = fields.List(fields.Nested(Suspension), required=True)


class Shop(ApiSchema):
    """A shop of a merchant."""

    shop_id = fields.UUID(required=True)
    merchant_id = fields.UUID(required=True)
    name = fields.String(required=True, validate=NAME)


class Assignment(ApiSchema):
    """Where a staff account works; without a shop it works in all of them."""

    staff_id = fields.UUID(required=True)
    merchant_id = fields.UUID(required=True)
    shop_id = fields.UUID(load_default=None, allow_none=True)
    role = fields.String(required=True, validate=validate.OneOf(["clerk", "merchant_owner"]))
    active = fields.Boolean(load_default=True)


class Assignments(ApiSchema):
    """The staff of a merchant."""

    staff = fields.List(fields.Nested(Assignment), required=True)


class OwnShop(ApiSchema):
    """A shop to choose before scanning."""

    shop_id = fields.UUID(required=True)
    name = fields.String(required=True)


class OwnShops(ApiSchema):
    """Where the caller works."""

    shops = fields.List(fields.Nested(OwnShop), required=True)


class NewDevice(ApiSchema):
    """A device that is to join a shop."""

    shop_id = fields.UUID(required=True)
    name = fields.String(required=True, validate=NAME)


class DeviceInvitation(ApiSchema):
    """What the device must be shown, once."""

    code = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)


class Enrolment(ApiSchema):
    """A device's public key, and the code signed with it (`ENROLMENT` envelope); hexadecimal."""

    code = fields.String(required=True, validate=validate.Length(16, 64))
    suite = fields.Integer(required=True, strict=True, validate=validate.Range(1, 255))
    public_key = fields.String(required=True, validate=validate.Regexp(r"([0-9a-f]{2}){32,65}\Z"))
    proof = fields.String(required=True, validate=validate.Regexp(r"([0-9a-f]{2}){32,400}\Z"))


class Device(ApiSchema):
    """A device and where it stands."""

    device_id = fields.UUID(required=True)
    merchant_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    name = fields.String(required=True)
    enrolled_at = fields.AwareDateTime(required=True)
    switched_off_at = fields.AwareDateTime(required=True, allow_none=True)


class Devices(ApiSchema):
    """The devices of a merchant."""

    devices = fields.List(fields.Nested(Device), required=True)

"""The list of publications."""

from __future__ import annotations

from marshmallow import fields

from app.web.openapi import ApiSchema


class Publication(ApiSchema):
    """A publication and where its bytes and their signature are."""

    kind = fields.String(required=True)
    name = fields.String(required=True)
    published_on = fields.Date(required=True)
    sha256 = fields.String(required=True)
    address = fields.String(required=True)
    signature_address = fields.String(required=True)


class Publications(ApiSchema):
    """Everything that is published."""

    publications = fields.List(fields.Nested(Publication), required=True)

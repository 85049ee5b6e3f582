"""The bodies and answers of the public search and of entries about merchants."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.merchants.categories import CATEGORIES
from app.merchants.directory import PAGES_MAX, WITHIN_METRES_MAX
from app.merchants.schemas import NAME, Reason
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

__all__ = ["Reason"]

LINE = validate.Length(1, 200)


class Search(ApiSchema):
    """What to look for; a point has both parts, in millionths of a degree."""

    words = fields.String(load_default=None, validate=validate.Length(1, 50))
    category = fields.String(load_default=None, validate=validate.OneOf(list(CATEGORIES)))
    latitude_e6 = fields.Integer(
        load_default=None, validate=validate.Range(-90_000_000, 90_000_000)
    )
    longitude_e6 = fields.Integer(
        load_default=None, validate=validate.Range(-180_000_000, 180_000_000)
    )
    within_metres = fields.Integer(
        load_default=5_000, validate=validate.Range(1, WITHIN_METRES_MAX)
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    page = fields.Integer(load_default=1, validate=validate.Range(1, PAGES_MAX))

    @validates_schema
    def check_point(self, data: dict[str, Any], **_: Any) -> None:
        """Half a point is none."""
        if (data.get("latitude_e6") is None) != (data.get("longitude_e6") is None):
            raise ValidationError("A point has two parts.", "longitude_e6")


class FoundShop(ApiSchema):
    """A shop that was found."""

    merchant_id = fields.UUID(required=True)
    merchant_name = fields.String(required=True)
    category = fields.String(required=True)
    shop_id = fields.UUID(required=True)
    shop_name = fields.String(required=True)
    address = fields.String(required=True, allow_none=True)
    latitude_e6 = fields.Integer(required=True, strict=True, allow_none=True)
    longitude_e6 = fields.Integer(required=True, strict=True, allow_none=True)
    distance_metres = fields.Integer(required=True, strict=True, allow_none=True)


class FoundShops(ApiSchema):
    """Shops, the nearest first, or by name."""

    shops = fields.List(fields.Nested(FoundShop), required=True)


class EntryFacts(ApiSchema):
    """An honour, licence or penalty: the document behind it, and when it is shown."""

    merchant_id = fields.UUID(required=True)
    kind = fields.String(
        required=True, validate=validate.OneOf(["honour", "licence", "penalty"])
    )
    grade = fields.String(
        load_default=None, allow_none=True,
        validate=validate.OneOf(["minor", "general", "serious"]),
    )
    title = fields.String(required=True, validate=NAME)
    document_number = fields.String(required=True, validate=NAME)
    authority = fields.String(required=True, validate=NAME)
    legal_basis = fields.String(required=True, validate=LINE)
    issued_on = fields.Date(required=True)
    published_from = fields.Date(required=True)
    published_to = fields.Date(required=True)


class NewEntry(EntryFacts, Reason):
    """An entry under an id that the caller made."""

    entry_id = fields.UUID(required=True)


class KeptEntry(ApiSchema):
    """An entry and where it stands."""

    entry_id = fields.UUID(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(["proposed", "confirmed", "repaired", "mistaken"]),
    )
    facts = fields.Nested(EntryFacts, required=True)


class EntryPage(ApiSchema):
    """Whose entries to list."""

    merchant_id = fields.UUID(required=True)
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))


class KeptEntries(ApiSchema):
    """Entries, the latest first."""

    entries = fields.List(fields.Nested(KeptEntry), required=True)


class Ending(Reason):
    """Why an entry is shown no longer."""

    cause = fields.String(required=True, validate=validate.OneOf(["repaired", "mistaken"]))

"""The bodies and answers of transit; amounts in fen, shares of the fare in per cent."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.redemptions.codes import CODE_MAX_CHARS
from app.transit.rule import OUTCOMES
from app.transit.uploads import BATCH_ROWS_MAX, FAULTS, TripRow
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

FARE_MAX_FEN: Final = 100_000
SUMS_DAYS_MAX: Final = 366
SKIPPED_MAX: Final = 10_000
PLACE: Final = validate.Regexp(r"[0-9A-Za-z._-]{1,32}\Z")
TRIP_ID: Final = validate.Regexp(r"[0-9A-Za-z._-]{1,64}\Z")


class NewAccount(ApiSchema):
    """With which operator."""

    merchant_id = fields.UUID(required=True)


class Question(ApiSchema):
    """Who rides: an account, or the pass code on a phone; exactly one of them."""

    account_id = fields.UUID(load_default=None)
    code = fields.String(load_default=None, validate=validate.Length(1, CODE_MAX_CHARS))

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("account_id") is None) == (data.get("code") is None):
            raise ValidationError("exactly one of account_id and code expected")


class Entitlement(ApiSchema):
    """What is paid of the fare; 100 is everybody's fare, which nobody ever exceeds."""

    merchant_id = fields.UUID(required=True)
    account_id = fields.UUID(required=True, allow_none=True)
    price_percent = fields.Integer(required=True)
    valid_from = fields.AwareDateTime(required=True, allow_none=True)
    valid_until = fields.AwareDateTime(required=True, allow_none=True)


class Entitlements(ApiSchema):
    """With every operator where the caller has an account."""

    entitlements = fields.List(fields.Nested(Entitlement), required=True)


class FilePage(ApiSchema):
    """How many."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))


class FilePart(ApiSchema):
    """A part of a file; `sha256` is over its bytes."""

    file_id = fields.UUID(required=True)
    sequence = fields.Integer(required=True)
    kind = fields.String(required=True, metadata={"enum": ["full", "changes"]})
    part = fields.Integer(required=True)
    is_last = fields.Boolean(required=True)
    line_count = fields.Integer(required=True)
    made_on = fields.Date(required=True)
    sha256 = fields.String(required=True)


class Files(ApiSchema):
    """The newest first."""

    files = fields.List(fields.Nested(FilePart), required=True)


class ReportedTrip(ApiSchema):
    """What a validator saw; `fare_fen` is before any discount, without a tap-out the highest."""

    trip_id = fields.String(required=True, validate=TRIP_ID)
    account_id = fields.UUID(load_default=None)
    offline_code = fields.String(load_default=None, validate=validate.Length(1, CODE_MAX_CHARS))
    tap_in_at = fields.AwareDateTime(required=True)
    tap_in_place = fields.String(required=True, validate=PLACE)
    tap_out_at = fields.AwareDateTime(load_default=None)
    tap_out_place = fields.String(load_default=None, validate=PLACE)
    fare_fen = fields.Integer(required=True, strict=True, validate=validate.Range(0, FARE_MAX_FEN))

    @validates_schema
    def _whole(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("account_id") is None) == (data.get("offline_code") is None):
            raise ValidationError("exactly one of account_id and offline_code expected")
        if (data.get("tap_out_at") is None) != (data.get("tap_out_place") is None):
            raise ValidationError("tap_out_at and tap_out_place come together")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> TripRow:
        return TripRow(**data)


class Batch(ApiSchema):
    """Trips in any order, under an id that the caller makes (UUIDv7) and keeps for retries."""

    batch_id = fields.UUID(required=True)
    trips = fields.List(
        fields.Nested(ReportedTrip), required=True, validate=validate.Length(1, BATCH_ROWS_MAX)
    )


class RowAnswer(ApiSchema):
    """What became of a row, which is counted from 1: taken, known from before, or parked."""

    row_number = fields.Integer(required=True)
    trip_id = fields.String(required=True)
    outcome = fields.String(required=True, metadata={"enum": ["taken", "known", "parked"]})
    reason = fields.String(required=True, allow_none=True, metadata={"enum": [*FAULTS, None]})


class BatchAnswer(ApiSchema):
    """An answer for each row."""

    rows = fields.List(fields.Nested(RowAnswer), required=True)


class ParkedPage(ApiSchema):
    """How many, and how many of the latest are left out."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    skipped = fields.Integer(load_default=0, validate=validate.Range(0, SKIPPED_MAX))


class ParkedRow(ApiSchema):
    """A row that cannot count."""

    batch_id = fields.UUID(required=True)
    row_number = fields.Integer(required=True)
    trip_id = fields.String(required=True)
    reason = fields.String(required=True, metadata={"enum": [*FAULTS]})
    received_at = fields.AwareDateTime(required=True)


class ParkedRows(ApiSchema):
    """The last received first."""

    rows = fields.List(fields.Nested(ParkedRow), required=True)


class Days(ApiSchema):
    """From and to which accounting day, both included."""

    from_on = fields.Date(required=True)
    to_on = fields.Date(required=True)

    @validates_schema
    def _few(self, data: dict[str, Any], **_: Any) -> None:
        if not 0 <= (data["to_on"] - data["from_on"]).days < SUMS_DAYS_MAX:
            raise ValidationError(f"from 1 to {SUMS_DAYS_MAX} days expected")


class SubsidySum(ApiSchema):
    """What became final on one day, in fen."""

    merchant_id = fields.UUID(required=True)
    accounting_on = fields.Date(required=True)
    benefit_code = fields.String(required=True)
    trip_count = fields.Integer(required=True)
    fare_fen = fields.Integer(required=True)
    discount_fen = fields.Integer(required=True)
    subsidy_fen = fields.Integer(required=True)


class Subsidies(ApiSchema):
    """By day."""

    days = fields.List(fields.Nested(SubsidySum), required=True)


class OwnPage(ApiSchema):
    """How many, and before which tap-in."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.AwareDateTime(load_default=None)


class OwnTrip(ApiSchema):
    """A trip of the caller; without an outcome its day is not settled yet."""

    merchant_id = fields.UUID(required=True)
    trip_id = fields.String(required=True)
    tap_in_at = fields.AwareDateTime(required=True)
    fare_fen = fields.Integer(required=True)
    discount_fen = fields.Integer(required=True, allow_none=True)
    subsidy_fen = fields.Integer(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True, metadata={"enum": [*OUTCOMES, None]})


class OwnTrips(ApiSchema):
    """The latest first."""

    trips = fields.List(fields.Nested(OwnTrip), required=True)

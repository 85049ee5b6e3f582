"""The bodies and answers of the records' routes."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from app.kernel.documents import DocumentFormat
from app.records.editing import DOCUMENT_MAX_CHARS
from app.records.queries import STATUSES
from app.records.reading import JSON_ROWS_MAX, Encoding
from app.records.severity import Severity
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

NAME_MAX_CHARS = 60
VERSION_MAX_CHARS = 30
TEXTS = {"type": "array", "items": {"type": "string"}}
REASON_MIN_CHARS = 5
REASON_MAX_CHARS = 500
ROW_NUMBER_MAX = 2**31


def _reason() -> Any:
    return fields.String(
        required=True, validate=validate.Length(REASON_MIN_CHARS, REASON_MAX_CHARS)
    )


def _encoding() -> Any:
    """How a file is to be read; without it, found out.  Rows sent as JSON say nothing about it."""
    files = validate.NoneOf([Encoding.JSON], error="JSON is not sent as a file.")
    return fields.Enum(Encoding, by_value=True, load_default=None, validate=files)


class CellValue(fields.Raw):
    """What may stand in a cell: text, a number, true or false, or null for empty."""

    def __init__(self) -> None:
        kinds = ["string", "number", "boolean"]  # null goes without saying
        super().__init__(allow_none=True, metadata={"type": kinds})

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str | float | bool | None:
        if value is not None and not isinstance(value, str | int | float):
            raise ValidationError(["Not a text, a number, true, false or null."])
        return value


class DeliveryForm(ApiSchema):
    """What the sender says about the file; `delivery_id` is a new UUID, kept for a retry.

    `encoding` may be left out: an Excel file and UTF-8 are recognised, all else is read as GB
    18030.  The report tells how the file was read.
    """

    delivery_id = fields.UUID(required=True)
    record_type = fields.String(required=True, validate=validate.Length(1, NAME_MAX_CHARS))
    delivered_on = fields.Date(required=True)
    encoding = _encoding()


class DeliveryRows(ApiSchema):
    """Rows as objects, keyed by the column names of the record type.

    They are judged like the rows of a file with the keys as its header: the header is row 1, the
    first object is row 2.  A number is read like a number cell of Excel.
    """

    delivery_id = fields.UUID(required=True)
    record_type = fields.String(required=True, validate=validate.Length(1, NAME_MAX_CHARS))
    delivered_on = fields.Date(required=True)
    rows = fields.List(
        fields.Dict(keys=fields.String(), values=CellValue()),
        required=True, validate=validate.Length(1, JSON_ROWS_MAX),
    )


class RegisterForm(ApiSchema):
    """The same for the register of members."""

    delivery_id = fields.UUID(required=True)
    delivered_on = fields.Date(required=True)
    encoding = _encoding()


class DeliveryFile(ApiSchema):
    """The file itself: CSV up to 512 MB, or Excel (.xlsx) up to 10 MB."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})


class DeliveryReport(ApiSchema):
    """What became of a file so far.  Of persons who are no members only their number is told.

    While `status` is waiting or running, counts grow; `percentage` is of the rows that were found.
    """

    delivery_id = fields.UUID(required=True)
    seq = fields.Integer(required=True)
    record_type = fields.String(required=True)
    file_name = fields.String(required=True)
    encoding = fields.String(required=True)
    delivered_on = fields.Date(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    file_reason = fields.String(required=True, allow_none=True)
    row_count = fields.Integer(required=True)
    blank_count = fields.Integer(required=True)
    accepted_count = fields.Integer(required=True)
    corrected_count = fields.Integer(required=True)
    voided_count = fields.Integer(required=True)
    duplicate_count = fields.Integer(required=True)
    superseded_count = fields.Integer(required=True)
    dropped_count = fields.Integer(required=True)
    refused_count = fields.Integer(required=True)
    refused_by_reason = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True
    )
    found_count = fields.Integer(required=True, allow_none=True)
    done_count = fields.Integer(required=True)
    percentage = fields.Integer(required=True, validate=validate.Range(0, 100))
    created_at = fields.AwareDateTime(required=True)
    cancelled_at = fields.AwareDateTime(required=True, allow_none=True)
    finished_at = fields.AwareDateTime(required=True, allow_none=True)
    replayed = fields.Boolean(required=True)


class RefusalsQuery(ApiSchema):
    """Which page: rows below `after_row`."""

    after_row = fields.Integer(load_default=0, validate=validate.Range(0, ROW_NUMBER_MAX))
    limit = fields.Integer(
        load_default=PAGE_MAX_ROWS, validate=validate.Range(1, PAGE_MAX_ROWS)
    )


class RefusedRowsQuery(ApiSchema):
    """Which part of a long file: rows below `after_row`, 50,000 at most."""

    after_row = fields.Integer(load_default=0, validate=validate.Range(0, ROW_NUMBER_MAX))


class RefusedRow(ApiSchema):
    """Where and why; the number is the one a spreadsheet shows."""

    row_number = fields.Integer(required=True)
    reason = fields.String(required=True)


class Refusals(ApiSchema):
    """A page of refused rows."""

    refusals = fields.List(fields.Nested(RefusedRow), required=True)


class NewSource(ApiSchema):
    """A department's machine and what it may deliver; `source_id` is a new UUID."""

    source_id = fields.UUID(required=True)
    unit = fields.String(required=True, validate=validate.Length(1, NAME_MAX_CHARS))
    record_types = fields.List(
        fields.String(validate=validate.Length(1, NAME_MAX_CHARS)),
        required=True, validate=validate.Length(1, 50),
    )


class Quota(ApiSchema):
    """The most that a source may deliver in one day of the city."""

    deliveries_per_day = fields.Integer(
        strict=True, required=True, validate=validate.Range(0, 10**6)
    )
    bytes_per_day = fields.Integer(strict=True, required=True, validate=validate.Range(0, 10**13))
    rows_per_day = fields.Integer(strict=True, required=True, validate=validate.Range(0, 10**10))


class QuotaUse(ApiSchema):
    """A source's quota and what it has used today; the day is the city's."""

    source_id = fields.UUID(required=True)
    quota = fields.Nested(Quota, required=True)
    counted_on = fields.Date(required=True)
    delivery_count = fields.Integer(required=True)
    byte_count = fields.Integer(required=True)
    row_count = fields.Integer(required=True)


class SourceCredential(ApiSchema):
    """The credential of a new source; the secret is told this once."""

    source_id = fields.UUID(required=True)
    credential_id = fields.UUID(required=True)
    secret = fields.String(required=True)


class ReopenedDay(ApiSchema):
    """A past day whose deliveries are let in again for a while, and why."""

    delivered_on = fields.Date(required=True)
    reason = _reason()


class EditionQuery(ApiSchema):
    """Which version; without one, the version in force."""

    version = fields.String(
        load_default=None, validate=validate.Length(1, VERSION_MAX_CHARS)
    )


class CatalogueColumn(ApiSchema):
    """A column of a record type; `least` to `most` with so many decimal places for numbers."""

    name = fields.String(required=True)
    kind = fields.String(required=True)
    optional = fields.Boolean(required=True)
    least = fields.String(required=True, allow_none=True)
    most = fields.String(required=True, allow_none=True)
    places = fields.Integer(required=True, allow_none=True)


class CatalogueEntry(ApiSchema):
    """A record type of the information catalogue.

    One that is not positive names its entry in the national directory, the column of the evidence,
    and after how many days a record counts no more.
    """

    code = fields.String(required=True)
    title = fields.String(required=True)
    unit = fields.String(required=True)
    disclosure = fields.String(
        required=True,
        metadata={"description": "public 社会公开, consent 授权查询, government 政务共享"},
    )
    legal_basis = fields.String(required=True)
    update_frequency = fields.String(required=True)
    retention_days = fields.Integer(required=True)
    positive = fields.Boolean(required=True)
    directory = fields.String(required=True, allow_none=True)
    evidence = fields.String(required=True, allow_none=True)
    term_days = fields.Integer(required=True, allow_none=True)
    severity = fields.Enum(Severity, by_value=True, required=True, allow_none=True)
    items = fields.Function(lambda kind: sorted(kind.items), metadata=TEXTS)
    columns = fields.List(fields.Nested(CatalogueColumn), required=True)


class PublishedCatalogue(ApiSchema):
    """The information catalogue (信息目录)."""

    code = fields.String(required=True)
    version = fields.String(required=True)
    published_on = fields.Date(required=True)
    content_hash = fields.String(required=True)
    forbidden_header_words = fields.List(fields.String(), required=True)
    forbidden_content_words = fields.List(fields.String(), required=True)
    record_types = fields.List(fields.Nested(CatalogueEntry), required=True)


class CatalogueVersion(ApiSchema):
    """A published version of the information catalogue."""

    version = fields.String(required=True)
    published_on = fields.Date(required=True)
    content_hash = fields.String(required=True)


class CatalogueVersions(ApiSchema):
    """Every published version."""

    versions = fields.List(fields.Nested(CatalogueVersion), required=True)


class NewCatalogueProposal(ApiSchema):
    """The next version as a whole document (TOML or JSON text); `proposal_id` is a new UUID."""

    proposal_id = fields.UUID(required=True)
    document = fields.String(required=True, validate=validate.Length(1, DOCUMENT_MAX_CHARS))
    format = fields.Enum(DocumentFormat, by_value=True, required=True)
    reason = _reason()


class ChangeReason(ApiSchema):
    """Why a change is confirmed or withdrawn."""

    reason = _reason()


class CatalogueProposal(ApiSchema):
    """A proposed version of the information catalogue and what became of it."""

    proposal_id = fields.UUID(required=True)
    version = fields.String(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf(["open", "confirmed", "withdrawn"])
    )
    content_hash = fields.String(required=True)
    proposed_by = fields.UUID(required=True)
    reason = fields.String(required=True)
    decided_by = fields.UUID(required=True, allow_none=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class WholeCatalogueProposal(CatalogueProposal):
    """A proposal with its document, as JSON text."""

    document = fields.String(required=True)


class CatalogueProposals(ApiSchema):
    """The newest proposals."""

    proposals = fields.List(fields.Nested(CatalogueProposal), required=True)

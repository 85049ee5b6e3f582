"""What oversight takes and tells over HTTP."""

from __future__ import annotations

from marshmallow import fields, validate

from app.trail.schemas import REASON_MAX_CHARS
from app.web.openapi import ApiSchema


class NewReport(ApiSchema):
    """The days within which benefits were used, both included, and the assessment of the use."""

    report_id = fields.UUID(required=True)
    from_on = fields.Date(required=True)
    to_on = fields.Date(required=True)
    assessment_id = fields.UUID(required=True)
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))


class ReportProgress(ApiSchema):
    """A report and how far it is."""

    report_id = fields.UUID(required=True)
    from_on = fields.Date(required=True)
    to_on = fields.Date(required=True)
    assessment_id = fields.UUID(required=True)
    requested_by = fields.UUID(required=True)
    slice_count = fields.Integer(required=True)
    slices_done = fields.Integer(required=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class Report(ReportProgress):
    """A report with its figures when it is done; a group of fewer than ten is never in them."""

    figures = fields.Dict(required=True, allow_none=True)


class Reports(ApiSchema):
    """The newest reports, the newest first."""

    reports = fields.List(fields.Nested(ReportProgress), required=True)


class Days(ApiSchema):
    """From one day to another, both included."""

    from_on = fields.Date(required=True)
    to_on = fields.Date(required=True)


class Indicator(ApiSchema):
    """A figure of the city and what it counts."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    definition = fields.String(required=True)


class Figure(ApiSchema):
    """A value of an indicator; null where it is about fewer than ten people."""

    code = fields.String(required=True)
    month = fields.String(required=True)
    item = fields.String(required=True, metadata={"description": "Empty: for all."})
    value = fields.Integer(required=True, allow_none=True)


class Indicators(Days):
    """The figures of the city between two days, with their definitions."""

    indicators = fields.List(fields.Nested(Indicator), required=True)
    figures = fields.List(fields.Nested(Figure), required=True)

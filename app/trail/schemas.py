"""The register of impact assessments over HTTP."""

from __future__ import annotations

from marshmallow import fields, validate

from app.trail.queries import ASSESSMENT_KINDS
from app.web.openapi import ApiSchema

TITLE_MAX_CHARS = 200
REASON_MAX_CHARS = 500


class NewAssessment(ApiSchema):
    """A concluded assessment; its document stays with its owner, the register has the hash."""

    assessment_id = fields.UUID(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(ASSESSMENT_KINDS))
    title = fields.String(
        required=True, validate=validate.Length(min=1, max=TITLE_MAX_CHARS)
    )
    concluded_on = fields.Date(required=True)
    document_hash = fields.String(
        required=True, validate=validate.Regexp(r"^[0-9a-f]{64}\Z"),
        metadata={"description": "SHA-256, hexadecimal."},
    )
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))


class Assessment(ApiSchema):
    """An entry of the register."""

    assessment_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    concluded_on = fields.Date(required=True)
    document_hash = fields.String(required=True)
    kept_until_on = fields.Date(required=True)


class Assessments(ApiSchema):
    """The register, newest first."""

    assessments = fields.List(fields.Nested(Assessment), required=True)

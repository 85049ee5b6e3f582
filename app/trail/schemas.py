"""The register of impact assessments, and alarms about bulk viewing, over HTTP."""

from __future__ import annotations

from marshmallow import fields, validate

from app.trail.queries import ASSESSMENT_KINDS
from app.trail.security import KINDS
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

TITLE_MAX_CHARS = 200
REASON_MAX_CHARS = 500
SUMMARY_MAX_CHARS = 2_000
COVERS_MAX, COVERED_MAX_CHARS = 100, 64


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
    summary = fields.String(
        required=True, validate=validate.Length(min=1, max=SUMMARY_MAX_CHARS),
        metadata={"description": "What everybody reads of it."},
    )
    covers = fields.List(
        fields.String(validate=validate.Length(min=1, max=COVERED_MAX_CHARS)), load_default=list,
        validate=validate.Length(max=COVERS_MAX),
        metadata={
            "description": "Consent purposes, record types, or kinds of guarantee lines that may "
            "begin on its ground."
        },
    )
    in_force_until_on = fields.Date(
        load_default=None, allow_none=True,
        metadata={"description": "The last day; two years after the conclusion at most."},
    )
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))


class AssessmentConfirmation(ApiSchema):
    """A second operator's yes."""

    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))


class Assessment(ApiSchema):
    """An entry of the register; good for nothing before it is confirmed."""

    assessment_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    concluded_on = fields.Date(required=True)
    document_hash = fields.String(required=True)
    summary = fields.String(required=True)
    covers = fields.List(fields.String(), required=True)
    in_force_until_on = fields.Date(required=True)
    kept_until_on = fields.Date(required=True)
    registered_by = fields.UUID(required=True)
    confirmed_by = fields.UUID(required=True, allow_none=True)
    confirmed_at = fields.AwareDateTime(required=True, allow_none=True)


class Assessments(ApiSchema):
    """The register, newest first."""

    assessments = fields.List(fields.Nested(Assessment), required=True)


class AlarmPage(ApiSchema):
    """How many alarms to list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))


class Alarm(ApiSchema):
    """A staff account that read more people unmasked in an hour than may be."""

    alarm_id = fields.UUID(required=True)
    staff_id = fields.UUID(required=True)
    view_count = fields.Integer(required=True)
    raised_at = fields.AwareDateTime(required=True)
    released_by = fields.UUID(
        required=True, allow_none=True,
        metadata={"description": "Who agreed that the account goes on; null: it is stopped."},
    )  # fmt: skip
    released_at = fields.AwareDateTime(required=True, allow_none=True)


class Alarms(ApiSchema):
    """The open alarms first, then the latest."""

    alarms = fields.List(fields.Nested(Alarm), required=True)


class EventsExported(ApiSchema):
    """Which events of the log of security, at most 31 days of them, and what for."""

    since = fields.AwareDateTime(required=True)
    until = fields.AwareDateTime(required=True)
    kind = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(KINDS))
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))


class EventsAsked(EventsExported):
    """A page of them: `after` is the last event of the page before."""

    after = fields.UUID(load_default=None, allow_none=True)
    limit = fields.Integer(
        strict=True, load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS)
    )


class Event(ApiSchema):
    """An event of the log of security; nobody is named in it."""

    event_id = fields.UUID(required=True)
    created_at = fields.AwareDateTime(required=True)
    kind = fields.String(required=True)
    role = fields.String(required=True)
    account_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "A staff account or a source."}
    )
    subject = fields.String(required=True)
    account_key = fields.String(
        required=True, allow_none=True,
        metadata={"description": "A keyed digest of the user name that was tried."},
    )  # fmt: skip
    client_key = fields.String(
        required=True, allow_none=True,
        metadata={"description": "A keyed digest of the network address."},
    )  # fmt: skip


class Events(ApiSchema):
    """Events in their order."""

    events = fields.List(fields.Nested(Event), required=True)


class Release(ApiSchema):
    """Why a stopped account may go on."""

    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))

"""What incidents take and tell over HTTP."""

from __future__ import annotations

from marshmallow import fields, validate

from app.oversight.affected import SCOPES
from app.trail.schemas import REASON_MAX_CHARS
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

NAME_MAX_CHARS = 64
CONTACT_MAX_CHARS = 200


def _words() -> fields.String:
    return fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))


class IncidentFacts(ApiSchema):
    """What is known of an incident; the texts name no person and are read by those concerned."""

    incident_id = fields.UUID(required=True)
    is_drill = fields.Boolean(
        required=True, metadata={"description": "A drill does everything but tell people."}
    )
    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    scope_name = fields.String(
        required=True, validate=validate.Length(max=NAME_MAX_CHARS),
        metadata={"description": "An id, the number of a key, a table; empty for everybody."},
    )
    seen_from = fields.AwareDateTime(required=True)
    seen_until = fields.AwareDateTime(required=True)
    found_at = fields.AwareDateTime(required=True)
    cause = _words()
    harm = _words()
    measures = _words()
    advice = _words()
    contact = fields.String(
        required=True, validate=validate.Length(min=1, max=CONTACT_MAX_CHARS)
    )


class NewIncident(IncidentFacts):
    """An incident to be registered."""

    reason = _words()


class Incident(IncidentFacts):
    """An incident and how far it is; who is affected is listed when `counted_at` is set."""

    reported_by = fields.UUID(required=True)
    authority_due_at = fields.AwareDateTime(required=True)
    people_due_at = fields.AwareDateTime(required=True)
    counted_at = fields.AwareDateTime(required=True, allow_none=True)
    released_by = fields.UUID(required=True, allow_none=True)
    released_at = fields.AwareDateTime(required=True, allow_none=True)
    authority_told_at = fields.AwareDateTime(required=True, allow_none=True)
    authority_reference = fields.String(required=True, allow_none=True)


class CountedIncident(Incident):
    """An incident with how many people are affected, by what was seen of them."""

    people_count = fields.Integer(required=True)
    noticed_count = fields.Integer(required=True)
    seen_counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class Incidents(ApiSchema):
    """The newest incidents, the newest first."""

    incidents = fields.List(fields.Nested(Incident), required=True)


class Act(ApiSchema):
    """Why it is done."""

    reason = _words()


class PeopleAsked(Act):
    """Which page of the people concerned, and what for: each of them sees that it was read."""

    after = fields.UUID(load_default=None, allow_none=True)
    limit = fields.Integer(
        strict=True, load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS)
    )


class AffectedPerson(ApiSchema):
    """Somebody whose data were seen."""

    citizen_id = fields.UUID(required=True)
    seen = fields.List(fields.String(), required=True)
    line_count = fields.Integer(required=True)
    first_at = fields.AwareDateTime(required=True)
    last_at = fields.AwareDateTime(required=True)
    noticed_at = fields.AwareDateTime(required=True, allow_none=True)


class People(ApiSchema):
    """A page of the people concerned."""

    people = fields.List(fields.Nested(AffectedPerson), required=True)


class AuthorityTold(Act):
    """Under which number the authority has the report."""

    document_number = fields.String(
        required=True, validate=validate.Length(min=1, max=NAME_MAX_CHARS)
    )


class IncidentNotice(ApiSchema):
    """What a person is told of an incident."""

    incident_id = fields.UUID(required=True)
    noticed_at = fields.AwareDateTime(required=True)
    text = fields.String(required=True)


class IncidentNotices(ApiSchema):
    """The notices, the newest first."""

    notices = fields.List(fields.Nested(IncidentNotice), required=True)

"""The bodies and answers of the webhooks' routes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS
from app.webhooks.addresses import URL_MAX_CHARS
from app.webhooks.events import EventType

OVERLAP_MAX_HOURS = 168
STATES = ("waiting", "delivered", "dead")


class NewEndpoint(ApiSchema):
    """Where a program of the merchant listens, and for what; the id is made by the caller."""

    endpoint_id = fields.UUID(required=True)
    url = fields.String(required=True, validate=validate.Length(1, URL_MAX_CHARS))
    event_types = fields.List(
        fields.String(validate=validate.OneOf([one.value for one in EventType])),
        required=True, validate=validate.Length(1, len(EventType)),
    )


class Endpoint(ApiSchema):
    """An endpoint; `notice` says in Chinese why it was disabled without its owner."""

    endpoint_id = fields.UUID(required=True)
    url = fields.String(required=True)
    event_types = fields.List(fields.String(), required=True)
    enabled = fields.Boolean(required=True)
    disabled_reason = fields.String(required=True, allow_none=True)
    notice = fields.String(required=True, allow_none=True)
    failing_since_at = fields.AwareDateTime(required=True, allow_none=True)
    old_secret_until = fields.AwareDateTime(required=True, allow_none=True)
    waiting_count = fields.Integer(required=True)
    dead_count = fields.Integer(required=True)
    created_at = fields.AwareDateTime(required=True)


class Endpoints(ApiSchema):
    """The endpoints of a merchant."""

    endpoints = fields.List(fields.Nested(Endpoint), required=True)


class NewSecret(ApiSchema):
    """An endpoint and its secret, shown this once; null when it was shown before."""

    endpoint = fields.Nested(Endpoint, required=True)
    secret = fields.String(required=True, allow_none=True)


class Rotation(ApiSchema):
    """For how many hours messages carry a signature by the old secret too."""

    overlap_hours = fields.Integer(
        load_default=24, strict=True, validate=validate.Range(0, OVERLAP_MAX_HOURS)
    )


class Enabling(ApiSchema):
    """Whether the endpoint is sent to."""

    enabled = fields.Boolean(required=True)


class Removed(ApiSchema):
    """Nothing is left to tell."""


class Attempt(ApiSchema):
    """One attempt: the status of the answer, or a word for why none came."""

    number = fields.Integer(required=True)
    started_at = fields.AwareDateTime(required=True)
    status = fields.Integer(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    duration_ms = fields.Integer(required=True, allow_none=True)


class Delivery(ApiSchema):
    """One event for one endpoint; `event_id` is its webhook-id."""

    event_id = fields.UUID(required=True)
    event_type = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": list(STATES)})
    created_at = fields.AwareDateTime(required=True)
    next_at = fields.AwareDateTime(required=True, allow_none=True)
    settled_at = fields.AwareDateTime(required=True, allow_none=True)
    attempts = fields.List(fields.Nested(Attempt), required=True)


class DeliveryPage(ApiSchema):
    """How many, in which state, and the `created_at` of the last line of the page before."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))
    before = fields.AwareDateTime(load_default=None)


class Deliveries(ApiSchema):
    """The log of an endpoint, the latest first."""

    deliveries = fields.List(fields.Nested(Delivery), required=True)


class Since(ApiSchema):
    """From when on dead deliveries are sent again."""

    since = fields.AwareDateTime(required=True)


class Redelivered(ApiSchema):
    """How many wait again, and whether there are more: ask once more then."""

    count = fields.Integer(required=True)
    has_more = fields.Boolean(required=True)

"""The bodies and answers of offline codes and devices."""

from __future__ import annotations

from marshmallow import fields

from app.web.openapi import ApiSchema


class OfflineCode(ApiSchema):
    """A code that scanners check without the platform."""

    code = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True)

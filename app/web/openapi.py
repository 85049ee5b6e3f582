"""The contract: flask-smorest makes OpenAPI 3.1 from routes and marshmallow schemas (ADR 2)."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import RAISE, Schema
from webargs.flaskparser import FlaskParser

API_PREFIX = "/api/v1"
SECURITY_SCHEME = "bearer"


class StrictParser(FlaskParser):
    """Unknown fields are refused everywhere, in the query string too."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": RAISE,
        "query": RAISE,
        "form": RAISE,
        "files": RAISE,
    }


class Blueprint(SmorestBlueprint):
    """A room's routes."""

    ARGUMENTS_PARSER = StrictParser()


class ApiSchema(Schema):
    """The base of every schema: unknown fields are refused, fields keep their order."""

    class Meta:
        unknown = RAISE


def configure_openapi(app: Flask) -> Api:
    """Set up the document at /openapi.json."""
    app.config.update(
        API_TITLE="Integrity Card",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = Api(app)
    spec: Any = api.spec
    spec.components.security_scheme(
        SECURITY_SCHEME, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    return api

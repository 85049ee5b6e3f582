"""An application with routes that do what tests need: fail, take bodies, take pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields, validate

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections
from app.web.auth import public
from app.web.openapi import ApiSchema, Blueprint
from app.web.requests import PAGE_MAX_ROWS

FAULTS: dict[str, BaseException] = {}  # what /fault/<name> raises


class NoteSchema(ApiSchema):
    note = fields.String(required=True, validate=validate.Length(max=50))
    parts = fields.List(fields.Raw(), validate=validate.Length(max=10))


class PageSchema(ApiSchema):
    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))


def probe_routes() -> Blueprint:
    blueprint = Blueprint("test", __name__, url_prefix="/test")

    @blueprint.route("/notes", methods=["POST"])
    @public
    @blueprint.arguments(NoteSchema)
    @blueprint.response(200, NoteSchema)
    def take(body: dict[str, object]) -> dict[str, object]:
        return body

    @blueprint.route("/pages")
    @public
    @blueprint.arguments(PageSchema, location="query")
    @blueprint.response(200, PageSchema)
    def page(query: dict[str, object]) -> dict[str, object]:
        return query

    @blueprint.route("/fault/<name>", methods=["GET", "POST"])
    @public
    def fail(name: str) -> str:
        raise FAULTS[name]

    return blueprint


@pytest.fixture(scope="module")
def probe_app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.register_blueprint(probe_routes())
    yield app
    with app.app_context():
        close_connections()


@pytest.fixture
def probe(probe_app: Flask) -> FlaskClient:
    return probe_app.test_client()

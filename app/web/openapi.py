"""The contract: flask-smorest makes OpenAPI 3.1 from routes and marshmallow schemas (ADR 2).

What it does not know is added here: who may call (from `access`), problem documents for every
refusal, and names of operations.
"""

from __future__ import annotations

import http
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Flask, Request, current_app, request
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import INCLUDE, RAISE, Schema, fields
from webargs.core import missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnprocessableEntity, UnsupportedMediaType

API_PREFIX = "/api/v1"
SECURITY_SCHEME = "bearer"
PROBLEM_MEDIA_TYPE = "application/problem+json"
MULTIPART = "multipart/form-data"
_BODIES = ("json", "form", "files")

F = TypeVar("F", bound=Callable[..., Any])


class SynchronousFlask(Flask):
    """No view is a coroutine, so that nobody need ask several times in each request."""

    def ensure_sync(self, func: F) -> F:
        """The view as it is."""
        return func


class StrictParser(FlaskParser):
    """Unknown fields are refused everywhere; bodies are read by the application's JSON provider."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = dict(  # noqa: RUF012 -- as its parent
        FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, json=RAISE, query=RAISE, form=RAISE, files=RAISE
    )

    def _raw_load_json(self, req: Request) -> Any:
        body = req.get_data(cache=True)
        if not body:
            return missing
        if not req.is_json:
            raise UnsupportedMediaType
        return current_app.json.loads(body)


class ApiSchema(Schema):
    """The base of every schema: unknown fields are refused, fields keep their order."""

    class Meta:
        unknown = RAISE


class ProblemSchema(Schema):
    """A refusal (RFC 9457).  Switch on `code`; `/problems/<code>` explains it.

    Some refusals say more: when and where the first scan was, how long to wait.
    """

    class Meta:
        unknown = INCLUDE  # extension members

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True)
    advice = fields.String(
        required=True, metadata={"description": "One line in Chinese for the person in front."}
    )
    errors = fields.Dict(metadata={"description": "What does not fit, by place and field."})


class Blueprint(SmorestBlueprint):
    """A room's routes; its decorators keep the type of what they decorate."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._read: dict[str, frozenset[str]] = {}  # by endpoint: the places of its arguments
        self._prepare_doc_cbks += [_join_form_and_files, self._describe_access]

    def route(self, rule: str, **options: Any) -> Callable[[F], F]:
        """The decorator for a view function."""
        return cast("Callable[[F], F]", super().route(rule, **options))

    def arguments(self, schema: Any, **options: Any) -> Callable[[F], F]:
        """The decorator that loads input with a schema and passes it on."""
        made = schema() if isinstance(schema, type) else schema  # once, not for each request
        return cast("Callable[[F], F]", super().arguments(made, **options))

    def response(self, status: int, schema: Any = None, **options: Any) -> Callable[[F], F]:
        """The decorator that dumps the result with a schema, and refuses what nobody reads."""
        decorate = cast("Callable[[F], F]", super().response(status, schema, **options))
        return lambda view: decorate(self._refusing_unread(view))

    def _refusing_unread(self, view: F) -> F:
        """Unknown input is refused on routes without arguments too."""

        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            places = self._read.get(request.endpoint or "")
            if places is not None:
                _require_read(places)
            return view(*args, **kwargs)

        return cast("F", checked)

    def alt_response(self, status: int, **options: Any) -> Callable[[F], F]:
        """The decorator that documents another answer."""
        return cast("Callable[[F], F]", super().alt_response(status, **options))

    def refuses(self, *statuses: int) -> Callable[[F], F]:
        """The decorator that documents what the route's own work refuses, say 404 and 409.

        What its roles, limits and arguments bring stands in the document by itself.
        """

        def decorate(view: F) -> F:
            for status in statuses:
                view = self.alt_response(status, response=http.HTTPStatus(status).name)(view)
            return view

        return decorate

    def _store_endpoint_docs(
        self, endpoint: str, obj: Any, parameters: Any, tags: Any, **options: Any
    ) -> None:
        super()._store_endpoint_docs(endpoint, obj, parameters, tags, **options)
        if self.url_prefix == API_PREFIX:
            arguments = getattr(obj, "_apidoc", {}).get("arguments", {}).get("parameters", [])
            places = frozenset(str(one["in"]) for one in arguments)
            self._read[f"{self.name}.{endpoint}"] = places
        for method, described in self._docs[endpoint].items():
            if method != "parameters":
                described["access"] = getattr(obj, "access", None)
                described["limited"] = getattr(obj, "limited", None)
                described["operation_id"] = f"{self.name}_{endpoint}"

    def _describe_access(
        self, doc: dict[str, Any], doc_info: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """Say in the document what `allow` and `public` said at the route, and what follows."""
        doc["operationId"] = doc_info["operation_id"]
        access = doc_info["access"]
        roles = sorted(access.roles) if access is not None else []
        doc["security"] = [{SECURITY_SCHEME: []}] if roles else []
        if roles:
            doc["x-roles"] = [str(role) for role in roles]
        refusals = {
            *((401, 403) if roles else ()),
            *((400, 413, 415) if "requestBody" in doc else ()),
            *((400,) if doc.get("parameters") else ()),
            *((422,) if self.url_prefix == API_PREFIX else ()),
            *((429,) if doc_info["limited"] else ()),
            *((503,) if self.url_prefix == API_PREFIX else ()),
        }
        responses = doc.setdefault("responses", {})
        for status in sorted(refusals):
            responses.setdefault(str(status), http.HTTPStatus(status).name)
        return doc


def _require_read(places: frozenset[str]) -> None:
    """Refuse a query or a body that the route does not read; `{}` says nothing."""
    if "query" not in places and request.query_string:
        raise _unknown("query", {name: ["Unknown field."] for name in request.args})
    sent = request.environ.get("CONTENT_LENGTH") or "0"
    if places.isdisjoint(_BODIES) and (not sent.isdecimal() or int(sent) > len("{}")):
        raise _unknown("json", {"_schema": ["No body is read here."]})


def _unknown(place: str, messages: dict[str, list[str]]) -> UnprocessableEntity:
    error = UnprocessableEntity()
    error.data = {"messages": {place: messages}}  # type: ignore[attr-defined]  # as webargs does
    return error


def _join_form_and_files(doc: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
    """One body for the fields and the files of a form, which flask-smorest keeps apart."""
    parameters = doc.get("parameters", [])
    form = next((one for one in parameters if one["in"] == "form"), None)
    if form is None:
        return doc
    parameters.remove(form)
    described = doc["requestBody"]["content"][MULTIPART]
    kinds = (type(form["schema"]), type(described["schema"]))
    joined = type(f"{kinds[0].__name__}With{kinds[1].__name__}", kinds, {})
    joined.__module__ = kinds[0].__module__
    described["schema"] = joined
    return doc


class ProblemApi(Api):
    """flask-smorest with problem documents instead of its own error bodies."""

    def _register_error_handlers(self) -> None:
        """The single error door stands in app/web/problems.py."""

    def _register_responses(self) -> None:
        content = {PROBLEM_MEDIA_TYPE: {"schema": ProblemSchema}}
        components: Any = self.spec.components
        for status in http.HTTPStatus:
            described: dict[str, Any] = {"description": status.phrase}
            if status >= http.HTTPStatus.BAD_REQUEST:
                described["content"] = content
            components.response(status.name, described, lazy=True)
        refusal = {"description": "A refusal", "content": content}
        components.response("DEFAULT_ERROR", refusal, lazy=True)


def configure_openapi(app: Flask) -> Api:
    """Set up the document; `web.pages` serves it."""
    app.config.update(
        API_TITLE="Integrity Card",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
    )
    plugin = MarshmallowPlugin(schema_name_resolver=_name_of_schema)
    api = ProblemApi(app, spec_kwargs={"marshmallow_plugin": plugin})
    spec: Any = api.spec
    spec.components.security_scheme(
        SECURITY_SCHEME, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    app.extensions["card_openapi"] = spec
    return api


def _name_of_schema(schema: Any) -> str:
    """`ScoringNextTier`: the room keeps equal names of two rooms apart."""
    kind = resolve_schema_cls(schema)
    kind = kind[0] if isinstance(kind, list) else kind
    package, _, rest = kind.__module__.partition(".")
    room = rest.split(".")[0] if package == "app" else ""
    prefix = "" if room == "web" else room.title().replace("_", "")
    return prefix + kind.__name__.removesuffix("Schema")


def openapi_document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    return cast("dict[str, Any]", app.extensions["card_openapi"].to_dict())

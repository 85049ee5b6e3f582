"""S13, S14, S25: what comes in and goes out of every route is what the document says, and bounded.

Each write gets fields that belong to the server alone; each body is made too large and too deep;
each page is asked for too much; no text, list or number of the document is without a bound.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from flask import Flask

from app.records.reading import JSON_MAX_BYTES
from app.web import limits
from app.web.openapi import openapi_document
from app.web.requests import JSON_BODY_MAX_BYTES, JSON_DEPTH_MAX, PAGE_MAX_ROWS
from tests.contract.real_requests import SIGNED_ONLY, caller_of, request_for
from tests.contract.world import World
from tests.house.routes import Route, as_openapi
from tests.house.snapshots import matrix
from wechat_integration.sandbox.control import SandboxControl

FORBIDDEN = {
    "role": "operator", "status": "active", "balance": 10**6, "balance_points": 10**6,
    "available_points": 1, "merchant_id": "0190b6a8-0000-7000-8000-000000000000",
    "citizen_id": "0190b6a8-0000-7000-8000-000000000000", "staff_id": None, "is_admin": True,
    "price_points": 0, "tier": "AAA", "created_at": "2020-01-01T00:00:00Z", "__proto__": {},
}  # fmt: skip
REFUSAL_SECONDS_MAX = 0.05
WRITES = [route for route in matrix() if route.method != "GET"]
READS = [r for r in matrix() if r.method == "GET" and r.rule.startswith("/api/")]
ATTACHMENTS = "/api/v1/me/objections/<uuid:objection_id>/attachments"
PAPERS = "/api/v1/death-reports/<uuid:report_id>/papers"
UPLOADS = {"/api/v1/deliveries", "/api/v1/register-imports", ATTACHMENTS, PAPERS}
NOTICES = {"/wechat/pay-score"}  # WeChat signs them whole and may add members
LARGER = {"/api/v1/deliveries/rows": JSON_MAX_BYTES}  # what a route may read, beyond what all may
ENDING = {"/api/v1/sign-out", "/api/v1/tokens/refresh"}


def named(route: Route) -> str:
    return f"{route.method} {route.rule}"


def described(app: Flask, route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = openapi_document(app)["paths"][as_openapi(route.rule)]
    return dict(operation[route.method.lower()])


def takes_json(app: Flask, route: Route) -> bool:
    content = described(app, route).get("requestBody", {}).get("content", {})
    return "application/json" in content


def addressed(route: Route, path: dict[str, str]) -> str:
    return as_openapi(route.rule).format(**path)


@pytest.mark.parametrize("route", [r for r in WRITES if r.rule not in NOTICES], ids=named)
def test_s13_fields_of_the_server_are_refused(
    world: World, sandbox: SandboxControl, route: Route
) -> None:
    real = request_for(world, sandbox, route)
    address, headers = addressed(route, real.path), caller_of(world, route)
    for name, value in FORBIDDEN.items():
        if name in (real.body or {}):
            continue
        limits.forget_all()
        body = {**(real.body or {}), name: value}
        if route.rule in UPLOADS:
            answer = _uploaded(world, address, {**body, name: str(value)}, headers)
        else:
            content = orjson.dumps(body)
            said = {"Content-Type": "application/json", **headers}
            if (route.method, route.rule) in SIGNED_ONLY:
                said = caller_of(world, route, body=content)
            answer = world.client.open(
                address, method=route.method, data=content, headers=said
            )
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request"), name
    address += "?role=operator"
    headers = caller_of(world, route, target=address)
    assert world.client.open(address, method=route.method, headers=headers).status_code == 422


@pytest.mark.parametrize("route", READS, ids=named)
def test_s13_unknown_parameters_are_refused(
    world: World, sandbox: SandboxControl, route: Route
) -> None:
    real = request_for(world, sandbox, route)
    address, headers = addressed(route, real.path), caller_of(world, route)
    for name in ("citizen_id", "sub", "role", "x"):
        answer = world.client.get(address, query_string={**real.query, name: "1"}, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request"), name
        assert name in answer.get_json()["errors"]["query"]


def _uploaded(world: World, address: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    from io import BytesIO  # noqa: PLC0415 -- beside its one use

    form = {**body, "file": (BytesIO(body["file"]), "file.csv")}
    return world.client.post(address, data=form, headers=headers)


def test_s14_no_answer_may_hold_more_than_its_schema(session_app: Flask) -> None:
    """With this, the shape of every answer in tests/contract is the whole of it."""
    schemas = openapi_document(session_app)["components"]["schemas"]
    shared = {"Problem", "Health", "PaginationMetadata"}
    closed = {name for name, one in schemas.items() if one.get("additionalProperties") is False}
    assert set(schemas) - closed - shared == set()
    assert not [
        name for name, one in schemas.items() for field in one.get("properties", {})
        if field in {"session_key", "password", "password_hash", "openid", "unionid", "id_index"}
        and name not in {"MembersStaffSignIn", "MembersNewStaff", "MerchantsAcceptance"}
    ]


@pytest.mark.parametrize("route", [r for r in WRITES if r.rule not in UPLOADS], ids=named)
def test_s25_large_and_deep_bodies_are_refused_at_once(world: World, route: Route) -> None:
    if not takes_json(world.app, route):
        return
    somebody = "0190b6a8-0000-7000-8000-000000000000"
    numbered = re.sub(r"<int:\w+>", "2", route.rule)
    address = re.sub(r"{\w+}", somebody, as_openapi(numbered))
    headers = {**caller_of(world, route), "Content-Type": "application/json"}
    deep = b'{"a":' * (JSON_DEPTH_MAX + 1) + b"1" + b"}" * (JSON_DEPTH_MAX + 1)
    large = orjson.dumps({"reason": "x" * LARGER.get(route.rule, JSON_BODY_MAX_BYTES)})
    many = orjson.dumps({"reason": ["x"] * 100_000})
    for body, status, code in (
        (large, 413, "body_too_large"), (deep, 400, "unreadable_request"),
        (many, 422, "invalid_request"), (b"[" * 500_000, 400, "unreadable_request"),
    ):
        seconds = []
        limits.forget_all()
        for _ in range(3):
            started = time.thread_time()
            answer = world.client.open(address, method=route.method, data=body, headers=headers)
            seconds.append(time.thread_time() - started)
            assert (answer.status_code, answer.get_json()["code"]) == (status, code)
        assert min(seconds) < REFUSAL_SECONDS_MAX


def test_s25_pages_are_bounded(world: World, sandbox: SandboxControl) -> None:
    asked = 0
    for route in READS:
        parameters = described(world.app, route).get("parameters", [])
        for one in parameters:
            if one["name"] == "limit":
                asked += 1
                real = request_for(world, sandbox, route)
                for limit in (PAGE_MAX_ROWS + 1, 0, -1, 10**30, "x", ""):
                    answer = world.client.get(
                        addressed(route, real.path), headers=caller_of(world, route),
                        query_string={**real.query, "limit": limit},
                    )
                    assert answer.status_code == 422, (route, limit)
    assert asked >= 4


def input_schemas(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named value that a request may hold, with its schema."""
    components = document["components"]["schemas"]

    def walk(where: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        if "$ref" in schema:
            schema = components[schema["$ref"].rpartition("/")[2]]
        yield where, schema
        for name, inner in schema.get("properties", {}).items():
            yield from walk(f"{where}.{name}", inner)
        if "items" in schema:
            yield from walk(f"{where}[]", schema["items"])

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            for parameter in operation.get("parameters", []):
                yield f"{path}?{parameter['name']}", parameter["schema"]
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield from walk(path, media["schema"])


BOUNDED_FORMATS = {"uuid", "date", "date-time", "binary"}


def test_s25_everything_in_a_request_has_a_bound(session_app: Flask) -> None:
    unbounded = []
    for where, schema in input_schemas(openapi_document(session_app)):
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        bounded = schema.get("format") in BOUNDED_FORMATS or "enum" in schema
        if "string" in kinds and not bounded and not {"maxLength", "pattern"} & set(schema):
            unbounded.append(where)
        if "array" in kinds and "maxItems" not in schema:
            unbounded.append(where)
        if "integer" in kinds and "maximum" not in schema:
            unbounded.append(where)
    assert unbounded == []

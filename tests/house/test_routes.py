"""S60, S42: the routes are those of the contract and of the access matrix, and tell nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from flask import Flask
from marshmallow import Schema, fields

from tests.house.routes import PUBLIC, UNDECIDED, access_of, as_openapi, routes_of
from tests.house.snapshots import matrix

PERSONAL = re.compile(
    r"(citizen|person|phone|mobile|id_number|id_card|openid|unionid|real_?name|(^|_)name$|token"
    r"|password|secret|code_text|session)"
)


@pytest.fixture(scope="module")
def contract(session_app: Flask) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(session_app.test_client().get("/openapi.json").data)
    return document


def operations(contract: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method.upper()): operation
        for path, described in contract["paths"].items()
        for method, operation in described.items()
        if method != "parameters"
    }


def test_every_route_says_who_may_call_it(session_app: Flask) -> None:
    endpoints = {rule.endpoint for rule in session_app.url_map.iter_rules()}
    silent = {endpoint for endpoint in endpoints if access_of(session_app, endpoint) is None}
    assert silent == set()


def test_the_matrix_is_the_routes(session_app: Flask) -> None:
    written = {route.key: route.roles for route in matrix()}
    assert {route.key: route.roles for route in routes_of(session_app)} == written


def test_the_matrix_says_which_objects() -> None:
    assert [route.key for route in matrix() if route.objects in {UNDECIDED, ""}] == []


def test_the_contract_is_the_routes(session_app: Flask, contract: dict[str, Any]) -> None:
    routes = {(as_openapi(route.rule), route.method) for route in routes_of(session_app)}
    assert set(operations(contract)) == routes


def test_the_contract_tells_who_may_call(session_app: Flask, contract: dict[str, Any]) -> None:
    described = operations(contract)
    for route in routes_of(session_app):
        operation = described[as_openapi(route.rule), route.method]
        assert operation.get("x-roles", [PUBLIC]) == list(route.roles), route
        assert operation["security"] == ([] if route.roles == (PUBLIC,) else [{"bearer": []}])


def test_every_refusal_in_the_contract_is_a_problem(contract: dict[str, Any]) -> None:
    for (path, method), operation in operations(contract).items():
        for status, answer in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                name = answer["$ref"].rpartition("/")[2]
                content = contract["components"]["responses"][name]["content"]
                assert list(content) == ["application/problem+json"], (method, path)


def test_addresses_hold_nothing_personal(session_app: Flask, contract: dict[str, Any]) -> None:
    names = {
        (rule.rule, argument)
        for rule in session_app.url_map.iter_rules()
        for argument in rule.arguments
    }
    for (path, _method), operation in operations(contract).items():
        for parameter in operation.get("parameters", []):
            if parameter["in"] in {"query", "path"}:
                names.add((path, parameter["name"]))
    assert {(path, name) for path, name in names if PERSONAL.search(name)} == set()


def test_routes_of_the_product_stand_under_the_prefix(session_app: Flask) -> None:
    outside = {"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/<file>",
               "/problems/<code>", "/.well-known/jwks.json"}  # fmt: skip
    api = ("/api/v1/", "/wechat/", "/pages/")
    stray = [r.rule for r in routes_of(session_app) if r.rule not in outside
             and not r.rule.startswith(api)]  # fmt: skip
    assert stray == []


def test_whole_numbers_in_bodies_are_not_cut_from_others(session_app: Flask) -> None:
    loose = [
        (endpoint, name)
        for endpoint, view in session_app.view_functions.items()
        for argument in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
        if argument["in"] == "json"
        for name, field in _whole_numbers(argument["schema"])
        if not field.strict
    ]
    assert loose == []


def _whole_numbers(schema: Schema) -> Iterator[tuple[str, fields.Integer]]:
    inside = [(name, field) for name, field in schema.fields.items()]
    while inside:
        name, field = inside.pop()
        if isinstance(field, fields.Integer):
            yield name, field
        elif isinstance(field, fields.Nested):
            inside += [(f"{name}.{inner}", one) for inner, one in field.schema.fields.items()]
        elif isinstance(field, fields.List):
            inside.append((f"{name}[]", field.inner))

"""The contract can be read, and reading it reaches no other address."""

from __future__ import annotations

import re

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.web.docs import PROBLEM_PAGES


def test_the_viewer_comes_from_here_alone(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert page.mimetype == "text/html"
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) == 4
    for address in addresses:
        assert address.startswith("/docs/")
        answer = client.get(address)
        assert answer.status_code == 200
        assert len(answer.data) > 100
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    start = client.get("/docs/start.js").text
    assert "http" not in start
    assert "validatorUrl: null" in start  # else a badge is asked for from another address
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["LICENSE", "..", "%2e%2e%2fpyproject.toml", "start.js.map"])
def test_the_viewer_serves_its_files_alone(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404


def test_the_document(client: FlaskClient) -> None:
    document = orjson.loads(client.get("/openapi.json").data)
    assert document["openapi"].startswith("3.1")
    ready = document["paths"]["/readyz"]["get"]
    assert ready["security"] == []
    assert ready["operationId"] == "health_answer_ready"
    refusal = document["components"]["responses"]["DEFAULT_ERROR"]
    assert list(refusal["content"]) == ["application/problem+json"]


def test_operations_have_names_of_their_own(client: FlaskClient) -> None:
    paths = orjson.loads(client.get("/openapi.json").data)["paths"]
    names = [operation["operationId"] for path in paths.values()
             for method, operation in path.items() if method != "parameters"]
    assert len(names) == len(set(names))


def test_r25_nobody_is_asked_for_a_face_or_a_network_identity(client: FlaskClient) -> None:
    """Joining takes a name, a number and consents; a code at the counter can be typed."""
    document = orjson.loads(client.get("/openapi.json").data)
    schemas = document["components"]["schemas"]
    named = {name for schema in schemas.values() for name in schema.get("properties", {})}
    assert "id_number" in named
    asked = {"face", "facial", "biometric", "fingerprint", "network_id", "photo", "voice"}
    assert [name for name in named if asked & {name, *name.split("_")}] == []
    assert "/api/v1/me/vouchers/{voucher_id}/manual-code" in document["paths"]


def test_problem_pages(app: Flask) -> None:
    client = app.test_client()
    for page in PROBLEM_PAGES.glob("*.md"):
        answer = client.get(f"/problems/{page.stem}")
        assert answer.status_code == 200
        assert f"<h1>{page.stem}</h1>" in answer.text
    for bad in ("nothing_such", "..", "%2e%2e%2fhouse", "A"):
        assert client.get(f"/problems/{bad}").status_code == 404

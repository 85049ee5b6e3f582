"""Delivering over HTTP, as the programs of departments and operators do it."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app.kernel.ids import new_id
from tests.members.api import bearer, let_show_tokens


def make_source(
    client: FlaskClient, operator: dict[str, str], *record_types: str
) -> dict[str, str]:
    """Register a source as an operator and sign it in; its headers."""
    body = {
        "source_id": str(new_id()), "unit": f"测试单位 {new_id()}",
        "record_types": list(record_types),
    }  # fmt: skip
    made = client.post("/api/v1/sources", json=body, headers=operator)
    assert made.status_code == 201, made.get_json()
    credential = made.get_json()
    with client.application.app_context():
        let_show_tokens(credential["source_id"])
    signed_in = client.post(
        "/api/v1/sources/token",
        json={"credential_id": credential["credential_id"], "secret": credential["secret"]},
    )
    assert signed_in.status_code == 200, signed_in.get_json()
    return bearer(signed_in.get_json()["access_token"])


def upload(
    client: FlaskClient,
    headers: dict[str, str],
    content: bytes,
    *,
    url: str = "/api/v1/deliveries",
    delivery_id: UUID | None = None,
    **fields: Any,
) -> TestResponse:
    """Post a file; `fields` replace or add form fields, None leaves one out."""
    form: dict[str, Any] = {
        "delivery_id": str(delivery_id or new_id()), "delivered_on": "2026-06-12",
        "encoding": "utf-8", "file": FileStorage(io.BytesIO(content), "file.csv"), **fields,
    }  # fmt: skip
    boundary, body = encode_multipart({k: v for k, v in form.items() if v is not None})
    content_type = f'multipart/form-data; boundary="{boundary}"'
    return client.post(url, data=body, headers=headers, content_type=content_type)

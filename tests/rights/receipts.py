"""Checking receipts as anybody can: with the published keys and nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask.testing import FlaskClient
from jwt import PyJWK
from jwt.api_jws import PyJWS


def verified(client: FlaskClient, answer: Mapping[str, str]) -> dict[str, Any]:
    """What a receipt says, once its signature has been found good."""
    key = PyJWK(client.get("/.well-known/jwks.json").get_json()["keys"][0])
    text = answer["receipt"].encode()
    PyJWS(algorithms=["EdDSA"]).decode_complete(
        answer["signature"], key, algorithms=["EdDSA"], detached_payload=text
    )
    found: dict[str, Any] = orjson.loads(text)
    return found

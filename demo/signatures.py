"""Checking what the platform signs, with its public keys and nothing of ours."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify_detached(content: bytes, signature: str, key_set: dict[str, Any]) -> str:
    """The id of the key that signed these bytes; ValueError when the signature does not hold."""
    head, _, proof = signature.split(".")
    said = json.loads(_decoded(head))
    keys = {key["kid"]: key for key in key_set["keys"]}
    public = Ed25519PublicKey.from_public_bytes(_decoded(keys[said["kid"]]["x"]))
    try:
        public.verify(_decoded(proof), head.encode() + b"." + content)
    except InvalidSignature as error:
        raise ValueError("the signature does not fit") from error
    return str(said["kid"])


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

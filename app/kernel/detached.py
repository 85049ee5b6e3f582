"""Detached signatures over published bytes: JWS (RFC 7515, appendix F) with Ed25519.

The payload is signed as it is (RFC 7797, `b64` false), so that whoever checks needs the bytes, one
of the public keys and nothing else.  Older keys stay in the key set as long as they are in the
ring.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidTokenError

from app.kernel.keys import Key, KeyProvider, KeyPurpose

ALGORITHM = "EdDSA"
_JWS = PyJWS(algorithms=[ALGORITHM])


def sign_detached(*, keys: KeyProvider, payload: bytes) -> str:
    """The compact JWS of these bytes by the active key, without them; the same each time."""
    key = keys.active(KeyPurpose.PUBLICATION)
    return _JWS.encode(
        payload,
        _private(key),
        algorithm=ALGORITHM,
        headers={"typ": "", "kid": _key_id(key), "crit": ["b64"]},
        is_payload_detached=True,
    )


def is_signed(*, keys: KeyProvider, payload: bytes, signature: str) -> bool:
    """Whether a signature over exactly these bytes is by one of our keys, also an older one."""
    for key in keys.all(KeyPurpose.PUBLICATION):
        try:
            _JWS.decode_complete(
                signature, _private(key).public_key(), algorithms=[ALGORITHM],
                detached_payload=payload,
            )
        except InvalidTokenError:
            continue
        return True
    return False


def verification_keys(*, keys: KeyProvider) -> list[dict[str, str]]:
    """The public keys as JSON Web Keys (RFC 8037), the one that signs now first."""
    return [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": ALGORITHM,
            "use": "sig",
            "kid": _key_id(key),
            "x": _base64url(_private(key).public_key().public_bytes_raw()),
        }
        for key in keys.all(KeyPurpose.PUBLICATION)
    ]


def _private(key: Key) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.secret)


def _key_id(key: Key) -> str:
    return f"{key.purpose}-{key.id}"


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

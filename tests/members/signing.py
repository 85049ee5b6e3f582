"""Signing requests as a department's program does it, with nothing but the standard library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.members.operations import NewCredential

WITHOUT_BODY = ("@method", "@path", "@query")
WITH_BODY = (*WITHOUT_BODY, "content-type", "content-digest")


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@dataclass
class Signed:
    """A request and its signature; change what is sent after it was made."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, client: FlaskClient, **changes: Any) -> TestResponse:
        said = {"method": self.method, "data": self.body, "headers": self.headers, **changes}
        return client.open(said.pop("target", self.target), **said)


def sign(
    credential: NewCredential,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    content_type: str = "application/json",
    covered: Sequence[str] | None = None,
    created: int | None = None,
    nonce: str | None = None,
    key_id: UUID | str | None = None,
    secret: str | None = None,
    more: str = "",
) -> Signed:
    """Sign a request with a credential; the keywords say something else than the truth."""
    path, _, query = target.partition("?")
    headers = {"Content-Type": content_type, "Content-Digest": digest_of(body)} if body else {}
    names = covered if covered is not None else (WITH_BODY if body else WITHOUT_BODY)
    created = int(time.time()) if created is None else created
    nonce = secrets.token_urlsafe(18) if nonce is None else nonce
    listed = " ".join(f'"{name}"' for name in names)
    parameters = (
        f'({listed});created={created};nonce="{nonce}"'
        f';keyid="{key_id or credential.credential_id}";alg="hmac-sha256"{more}'
    )
    values = {
        "@method": method, "@path": path, "@query": f"?{query}",
        **{name.lower(): value for name, value in headers.items()},
    }  # fmt: skip
    base = _base(values, names, parameters)
    made = hmac.digest((secret or credential.secret).encode(), base.encode(), "sha256")
    headers |= {
        "Signature-Input": f"sig={parameters}",
        "Signature": f"sig=:{base64.b64encode(made).decode()}:",
    }
    return Signed(method, target, body, headers)


def _base(values: Mapping[str, str], names: Sequence[str], parameters: str) -> str:
    lines = [f'"{name}": {values[name]}' for name in names]
    return "\n".join([*lines, f'"@signature-params": {parameters}'])

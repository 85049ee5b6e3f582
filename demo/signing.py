"""Signing requests as a department's program does it (docs/runbooks/sources.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Generator

import httpx

REQUEST = ("@method", "@path", "@query")
BODY = ("content-type", "content-digest")


class Signing(httpx.Auth):
    """Signs each request with a source's credential; the whole body is read for its digest."""

    requires_request_body = True

    def __init__(self, *, credential_id: str, secret: str) -> None:
        self._credential_id = credential_id
        self._secret = secret.encode()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with its two headers, and with its digest where it has a body."""
        names: tuple[str, ...] = REQUEST
        if request.content:
            digest = base64.b64encode(hashlib.sha256(request.content).digest()).decode()
            request.headers["Content-Digest"] = f"sha-256=:{digest}:"
            names = (*REQUEST, *BODY)
        listed = " ".join(f'"{name}"' for name in names)
        said = (
            f"({listed});created={int(time.time())}"
            f';nonce="{secrets.token_urlsafe(18)}";keyid="{self._credential_id}"'
            ';alg="hmac-sha256"'
        )
        base = [f'"{name}": {_value(request, name)}' for name in names]
        signed = "\n".join([*base, f'"@signature-params": {said}'])
        made = base64.b64encode(hmac.digest(self._secret, signed.encode(), "sha256")).decode()
        request.headers["Signature-Input"] = f"sig={said}"
        request.headers["Signature"] = f"sig=:{made}:"
        yield request


def _value(request: httpx.Request, name: str) -> str:
    path, _, query = request.url.raw_path.decode().partition("?")
    of_request = {"@method": request.method, "@path": path, "@query": f"?{query}"}
    return of_request[name] if name in of_request else request.headers[name]

"""Calls of a city's own services (real names, text messages): JSON, signed, over by a deadline.

The signature is HMAC-SHA256 in lower-case hex over five lines: the method, the path, the time
in whole seconds since 1970, a nonce of 32 hex digits, and SHA-256 of the body in hex. It
travels in X-Signature beside X-Key-Id, X-Timestamp and X-Nonce. The service refuses a time more
than 300 s away and a nonce it has seen.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from wechat_integration.errors import DEFAULT_RETRY_AFTER_SECONDS
from wechat_integration.network import Deadline
from wechat_integration.transport import (
    DEFAULT_LIMITS,
    AnswerUnusable,
    BoundedHttp,
    CallLimits,
    HttpAnswer,
    HttpCall,
    HttpFailure,
    RequestNotSent,
    repeated,
)

if TYPE_CHECKING:
    import ssl

MIN_KEY_BYTES = 32
_NONCE_BYTES = 16
SIGNATURE_REFUSALS = frozenset(
    {
        "key_unknown",
        "signature_invalid",
        "timestamp_out_of_window",
        "nonce_replayed",
        "request_invalid",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedParts:
    """What a signature covers."""

    method: str
    path: str
    timestamp: str
    nonce: str
    body_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceErrors:
    """How a service's failures are raised, and the words of refusal that are passed on."""

    unavailable: Callable[..., Exception]  # reason, retry_after_seconds
    refused: Callable[..., Exception]  # code
    invalid: Callable[..., Exception]  # reason
    refusal_codes: frozenset[str]


def signature_of(*, key: bytes, parts: SignedParts) -> str:
    """Return the signature in lower-case hex, as the module's text describes it."""
    lines = (parts.method, parts.path, parts.timestamp, parts.nonce, parts.body_sha256)
    return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


class SignedService:
    """One service over HTTPS; share one between threads."""

    def __init__(
        self,
        *,
        base_url: str,
        key_id: str,
        key: bytes,
        errors: ServiceErrors,
        limits: CallLimits = DEFAULT_LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        allow_plain_http: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare without any request; ``key`` is the shared secret, at least 32 bytes.

        Raises ValueError for a shorter key or an unsafe address (see BoundedHttp).
        """
        if len(key) < MIN_KEY_BYTES:
            raise ValueError("a service's key is at least 32 bytes")
        self._http = BoundedHttp(
            base_url=base_url,
            limits=limits,
            ssl_context=ssl_context,
            allow_plain_http=allow_plain_http,
        )
        self._key_id = key_id
        self._key = key
        self._errors = errors
        self._wall_clock = wall_clock

    def ask(self, *, path: str, body: bytes, word: str) -> str:
        """Return one text field of the service's 200, empty where it has none.

        Over within the limits' total seconds; raises one of the service's errors.
        """
        deadline = Deadline.after(seconds=self._http.limits.total_seconds)
        outcome = repeated(
            attempt=lambda: self._attempt(path, body, deadline),
            may_repeat=lambda outcome: isinstance(outcome, RequestNotSent),
            deadline=deadline,
        )
        answer = self._arrived(outcome)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            code = _word(answer.body, "code")
            known = code in self._errors.refusal_codes
            raise self._errors.refused(code=code if known else "other")
        if answer.status != HTTPStatus.OK:
            raise self._errors.invalid(reason=f"http_{answer.status}")
        return _word(answer.body, word)

    def close(self) -> None:
        """Close all connections; the service is of no use afterwards."""
        self._http.close()

    def _attempt(
        self, path: str, body: bytes, deadline: Deadline
    ) -> HttpAnswer | HttpFailure:
        try:
            return self._http.send(call=self._signed_call(path, body), deadline=deadline)
        except HttpFailure as failure:
            return failure

    def _arrived(self, outcome: HttpAnswer | HttpFailure) -> HttpAnswer:
        if isinstance(outcome, AnswerUnusable):
            raise self._errors.invalid(reason=outcome.reason)
        if isinstance(outcome, HttpFailure):
            raise self._errors.unavailable(reason=outcome.reason)
        too_many = outcome.status == HTTPStatus.TOO_MANY_REQUESTS
        if too_many or outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait_seconds = outcome.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS
            reason = f"http_{outcome.status}"
            raise self._errors.unavailable(reason=reason, retry_after_seconds=wait_seconds)
        return outcome

    def _signed_call(self, path: str, body: bytes) -> HttpCall:
        parts = SignedParts(
            method="POST",
            path=path,
            timestamp=str(int(self._wall_clock())),
            nonce=secrets.token_hex(_NONCE_BYTES),
            body_sha256=hashlib.sha256(body).hexdigest(),
        )
        headers = {
            "content-type": "application/json",
            "x-key-id": self._key_id,
            "x-timestamp": parts.timestamp,
            "x-nonce": parts.nonce,
            "x-signature": signature_of(key=self._key, parts=parts),
        }
        return HttpCall(method="POST", path=path, headers=headers, body=body)


def _word(body: bytes, name: str) -> str:
    """Return a text field of a JSON object, or nothing; a parser's exception holds the body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""

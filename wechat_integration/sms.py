"""Sending a one-time PIN as a text message through a city's SMS service.

``SmsProvider`` is what the card needs; ``HttpSmsProvider`` asks a service by a JSON request that is
signed like a real-name check (see ``realname``). The service takes a message id once: the same id
again sends nothing more.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from wechat_integration.errors import (
    DEFAULT_RETRY_AFTER_SECONDS,
    SmsAnswerInvalid,
    SmsRefused,
    SmsUnavailable,
)
from wechat_integration.network import Deadline
from wechat_integration.realname import MIN_KEY_BYTES, SignedParts, signature_of
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

SEND_PATH = "/sms/pins"
_NONCE_BYTES = 16
_PHONE = re.compile(r"1[0-9]{10}")
_PIN = re.compile(r"[0-9]{6}")
REFUSAL_CODES = frozenset(
    {
        "key_unknown",
        "signature_invalid",
        "timestamp_out_of_window",
        "nonce_replayed",
        "request_invalid",
        "number_blocked",
    }
)


class SmsProvider(Protocol):
    """Any service that can send a PIN to a mainland phone."""

    def send_pin(self, *, message_id: str, phone: str, pin: str) -> None:
        """Return when the service has taken the message; raises a kind of SmsError."""


class HttpSmsProvider:
    """Asks one SMS service over HTTPS; share one between threads."""

    def __init__(
        self,
        *,
        base_url: str,
        key_id: str,
        key: bytes,
        limits: CallLimits = DEFAULT_LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare without any request; ``key`` is the shared secret, at least 32 bytes."""
        if len(key) < MIN_KEY_BYTES:
            raise ValueError("the SMS key is at least 32 bytes")
        self._http = BoundedHttp(base_url=base_url, limits=limits, ssl_context=ssl_context)
        self._key_id = key_id
        self._key = key
        self._wall_clock = wall_clock

    def send_pin(self, *, message_id: str, phone: str, pin: str) -> None:
        """Send it; over within the limits' total seconds.

        Raises SmsUnavailable, SmsRefused or SmsAnswerInvalid, and ValueError for what is no
        mainland number or no six digits. A message whose answer was lost may have been sent.
        """
        if _PHONE.fullmatch(phone) is None or _PIN.fullmatch(pin) is None:
            raise ValueError("a mainland number has 11 digits, a PIN 6")
        body = json.dumps({"message_id": message_id, "phone": phone, "pin": pin}).encode()
        deadline = Deadline.after(seconds=self._http.limits.total_seconds)
        outcome = repeated(
            attempt=lambda: self._attempt(body, deadline),
            may_repeat=lambda outcome: isinstance(outcome, RequestNotSent),
            deadline=deadline,
        )
        _require_taken(outcome)

    def close(self) -> None:
        """Close all connections; the provider is of no use afterwards."""
        self._http.close()

    def _attempt(self, body: bytes, deadline: Deadline) -> HttpAnswer | HttpFailure:
        try:
            return self._http.send(call=self._signed_call(body), deadline=deadline)
        except HttpFailure as failure:
            return failure

    def _signed_call(self, body: bytes) -> HttpCall:
        parts = SignedParts(
            method="POST",
            path=SEND_PATH,
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
        return HttpCall(method="POST", path=SEND_PATH, headers=headers, body=body)


def _require_taken(outcome: HttpAnswer | HttpFailure) -> None:
    if isinstance(outcome, AnswerUnusable):
        raise SmsAnswerInvalid(reason=outcome.reason)
    if isinstance(outcome, HttpFailure):
        raise SmsUnavailable(reason=outcome.reason)
    too_many = outcome.status == HTTPStatus.TOO_MANY_REQUESTS
    if too_many or outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait_seconds = outcome.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS
        raise SmsUnavailable(reason=f"http_{outcome.status}", retry_after_seconds=wait_seconds)
    code = _code(outcome.body)
    if outcome.status >= HTTPStatus.BAD_REQUEST:
        raise SmsRefused(code=code if code in REFUSAL_CODES else "other")
    if outcome.status != HTTPStatus.OK or code != "ok":
        raise SmsAnswerInvalid(reason=f"http_{outcome.status}")


def _code(body: bytes) -> str:
    """Return the code of a JSON object, or nothing; a parser's exception holds the body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    value = document.get("code") if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""

"""Sending one-time PINs and notices as text messages through a city's SMS service.

``SmsProvider`` is what the card needs; ``HttpSmsProvider`` asks a service by a signed JSON request
(see ``signed_calls``). The service takes a message id once: the same id again sends nothing more.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from wechat_integration.errors import SmsAnswerInvalid, SmsRefused, SmsUnavailable
from wechat_integration.signed_calls import SIGNATURE_REFUSALS, ServiceErrors, SignedService
from wechat_integration.transport import DEFAULT_LIMITS, CallLimits

if TYPE_CHECKING:
    import ssl

SEND_PATH = "/sms/pins"
NOTICE_PATH = "/sms/notices"
NOTICE_MAX_CHARS = 30
_PHONE = re.compile(r"1[0-9]{10}")
_PIN = re.compile(r"[0-9]{6}")
_TAKEN = "ok"
_ERRORS = ServiceErrors(
    unavailable=SmsUnavailable,
    refused=SmsRefused,
    invalid=SmsAnswerInvalid,
    refusal_codes=SIGNATURE_REFUSALS | {"number_blocked"},
)


class SmsProvider(Protocol):
    """Any service that can send a PIN to a mainland phone."""

    def send_pin(self, *, message_id: str, phone: str, pin: str) -> None:
        """Return when the service has taken the message; raises a kind of SmsError."""

    def send_notice(self, *, message_id: str, phone: str, what: str) -> None:
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
        """Prepare without any request; ``key`` is the shared secret, at least 32 bytes.

        Raises ValueError for a shorter key or an unsafe address (see BoundedHttp).
        """
        self._service = SignedService(
            base_url=base_url,
            key_id=key_id,
            key=key,
            errors=_ERRORS,
            limits=limits,
            ssl_context=ssl_context,
            wall_clock=wall_clock,
        )

    def send_pin(self, *, message_id: str, phone: str, pin: str) -> None:
        """Send it; over within the limits' total seconds.

        Raises SmsUnavailable, SmsRefused or SmsAnswerInvalid, and ValueError for what is no
        mainland number or no six digits. A message whose answer was lost may have been sent.
        """
        if _PHONE.fullmatch(phone) is None or _PIN.fullmatch(pin) is None:
            raise ValueError("a mainland number has 11 digits, a PIN 6")
        self._send(SEND_PATH, {"message_id": message_id, "phone": phone, "pin": pin})

    def send_notice(self, *, message_id: str, phone: str, what: str) -> None:
        """Send what was done in somebody's name; as ``send_pin`` otherwise.

        ``what`` fills the one blank of the template, up to 30 characters.
        """
        if _PHONE.fullmatch(phone) is None or not 0 < len(what) <= NOTICE_MAX_CHARS:
            raise ValueError("a mainland number has 11 digits, a notice 1 to 30 characters")
        self._send(NOTICE_PATH, {"message_id": message_id, "phone": phone, "what": what})

    def _send(self, path: str, document: dict[str, str]) -> None:
        body = json.dumps(document).encode()
        if self._service.ask(path=path, body=body, word="code") != _TAKEN:
            raise SmsAnswerInvalid(reason="code")

    def close(self) -> None:
        """Close all connections; the provider is of no use afterwards."""
        self._service.close()

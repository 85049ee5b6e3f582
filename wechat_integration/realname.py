"""Checking a name and an identity number against a city's real-name service.

``RealNameProvider`` is what the card needs; ``HttpRealNameProvider`` asks a service by a signed
JSON request. The service answers one of three words and never a person's data.

The signature is HMAC-SHA256 in lower-case hex over five lines: the method, the path, the time
in whole seconds since 1970, a nonce of 32 hex digits, and SHA-256 of the body in hex. It
travels in X-Signature beside X-Key-Id, X-Timestamp and X-Nonce. The service refuses a time more
than 300 s away and a nonce it has seen.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, Self

from wechat_integration.errors import (
    DEFAULT_RETRY_AFTER_SECONDS,
    RealNameAnswerInvalid,
    RealNameRefused,
    RealNameUnavailable,
)
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
    from types import TracebackType

CHECK_PATH = "/realname/check"
MAX_NAME_CHARS = 64
MAX_ID_NUMBER_CHARS = 18
MIN_KEY_BYTES = 32
_NONCE_BYTES = 16
REFUSAL_CODES = frozenset(
    {
        "key_unknown",
        "signature_invalid",
        "timestamp_out_of_window",
        "nonce_replayed",
        "request_invalid",
    }
)


class RealNameResult(enum.Enum):
    """MATCH and MISMATCH judge the pair; UNKNOWN means the service does not know the number."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


class RealNameProvider(Protocol):
    """Any service that can tell whether a name and an identity number belong together."""

    def check(self, *, name: str, id_number: str) -> RealNameResult:
        """Return the service's judgement; raises a kind of RealNameError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedParts:
    """What a signature covers."""

    method: str
    path: str
    timestamp: str
    nonce: str
    body_sha256: str


def signature_of(*, key: bytes, parts: SignedParts) -> str:
    """Return the signature in lower-case hex, as the module's text describes it."""
    lines = (parts.method, parts.path, parts.timestamp, parts.nonce, parts.body_sha256)
    return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


class HttpRealNameProvider:
    """Asks one real-name service over HTTPS; share one between threads."""

    def __init__(
        self,
        *,
        base_url: str,
        key_id: str,
        key: bytes,
        limits: CallLimits = DEFAULT_LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        allow_plain_http: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare without any request; ``key`` is the shared secret, at least 32 bytes.

        Raises ValueError for a shorter key or an unsafe address (see BoundedHttp).
        """
        if len(key) < MIN_KEY_BYTES:
            raise ValueError("the real-name key is at least 32 bytes")
        self._http = BoundedHttp(
            base_url=base_url,
            limits=limits,
            ssl_context=ssl_context,
            allow_plain_http=allow_plain_http,
        )
        self._key_id = key_id
        self._key = key
        self._wall_clock = wall_clock

    def check(self, *, name: str, id_number: str) -> RealNameResult:
        """Ask whether the name belongs to the number; over within the limits' total seconds.

        Raises RealNameUnavailable, RealNameRefused or RealNameAnswerInvalid, and ValueError for
        an empty or over-long name or number. The caller brings both into canonical form first.
        """
        if not (0 < len(name) <= MAX_NAME_CHARS and 0 < len(id_number) <= MAX_ID_NUMBER_CHARS):
            raise ValueError("a name has 1 to 64 characters, an identity number 1 to 18")
        document = json.dumps({"name": name, "id_number": id_number}, ensure_ascii=False)
        return _result(self._sent(document.encode(errors="replace")))

    def close(self) -> None:
        """Close all connections; the provider is of no use afterwards."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _sent(self, body: bytes) -> HttpAnswer:
        deadline = Deadline.after(seconds=self._http.limits.total_seconds)
        outcome = repeated(
            attempt=lambda: self._attempt(body, deadline),
            may_repeat=lambda outcome: isinstance(outcome, RequestNotSent),
            deadline=deadline,
        )
        return _arrived(outcome)

    def _attempt(self, body: bytes, deadline: Deadline) -> HttpAnswer | HttpFailure:
        try:
            return self._http.send(call=self._signed_call(body), deadline=deadline)
        except HttpFailure as failure:
            return failure

    def _signed_call(self, body: bytes) -> HttpCall:
        parts = SignedParts(
            method="POST",
            path=CHECK_PATH,
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
        return HttpCall(method="POST", path=CHECK_PATH, headers=headers, body=body)


def _arrived(outcome: HttpAnswer | HttpFailure) -> HttpAnswer:
    if isinstance(outcome, AnswerUnusable):
        raise RealNameAnswerInvalid(reason=outcome.reason)
    if isinstance(outcome, HttpFailure):
        raise RealNameUnavailable(reason=outcome.reason)
    return outcome


def _result(answer: HttpAnswer) -> RealNameResult:
    too_many = answer.status == HTTPStatus.TOO_MANY_REQUESTS
    if too_many or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait_seconds = answer.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS
        reason = f"http_{answer.status}"
        raise RealNameUnavailable(reason=reason, retry_after_seconds=wait_seconds)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        code = _word(answer.body, "code")
        raise RealNameRefused(code=code if code in REFUSAL_CODES else "other")
    if answer.status != HTTPStatus.OK:
        raise RealNameAnswerInvalid(reason=f"http_{answer.status}")
    return _judgement(_word(answer.body, "result"))


def _judgement(word: str) -> RealNameResult:
    for result in RealNameResult:
        if result.value == word:
            return result
    raise RealNameAnswerInvalid(reason="result")


def _word(body: bytes, name: str) -> str:
    """Return a text field of a JSON object, or nothing; a parser's exception holds the body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""

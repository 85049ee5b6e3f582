"""Checking a name and an identity number against a city's real-name service.

``RealNameProvider`` is what the card needs; ``HttpRealNameProvider`` asks a service by a signed
JSON request (see ``signed_calls``). The service answers one of three words and never a person's
data.
"""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

from wechat_integration.errors import (
    RealNameAnswerInvalid,
    RealNameRefused,
    RealNameUnavailable,
)
from wechat_integration.signed_calls import SIGNATURE_REFUSALS, ServiceErrors, SignedService
from wechat_integration.transport import DEFAULT_LIMITS, CallLimits

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

CHECK_PATH = "/realname/check"
MAX_NAME_CHARS = 64
MAX_ID_NUMBER_CHARS = 18
_ERRORS = ServiceErrors(
    unavailable=RealNameUnavailable,
    refused=RealNameRefused,
    invalid=RealNameAnswerInvalid,
    refusal_codes=SIGNATURE_REFUSALS,
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
        self._service = SignedService(
            base_url=base_url,
            key_id=key_id,
            key=key,
            errors=_ERRORS,
            limits=limits,
            ssl_context=ssl_context,
            allow_plain_http=allow_plain_http,
            wall_clock=wall_clock,
        )

    def check(self, *, name: str, id_number: str) -> RealNameResult:
        """Ask whether the name belongs to the number; over within the limits' total seconds.

        Raises RealNameUnavailable, RealNameRefused or RealNameAnswerInvalid, and ValueError for
        an empty or over-long name or number. The caller brings both into canonical form first.
        """
        if not (0 < len(name) <= MAX_NAME_CHARS and 0 < len(id_number) <= MAX_ID_NUMBER_CHARS):
            raise ValueError("a name has 1 to 64 characters, an identity number 1 to 18")
        document = json.dumps({"name": name, "id_number": id_number}, ensure_ascii=False)
        return _judgement(
            self._service.ask(
                path=CHECK_PATH, body=document.encode(errors="replace"), word="result"
            )
        )

    def close(self) -> None:
        """Close all connections; the provider is of no use afterwards."""
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _judgement(word: str) -> RealNameResult:
    for result in RealNameResult:
        if result.value == word:
            return result
    raise RealNameAnswerInvalid(reason="result")

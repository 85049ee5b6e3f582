"""The kinds of refusal the product knows; none of them knows HTTP.

A room defines one class per refusal beside the function that raises it::

    class AlreadyRedeemed(Conflict):
        code = "already_redeemed"
        title = "The voucher was redeemed before"
        advice = "此券已核销过，请勿重复核销。"

`code` is stable (clients switch on it), `title` is for developers, `advice` is one line in Chinese
that the person in front of the screen can act on.  Neither holds personal data.
"""

from __future__ import annotations

from typing import ClassVar


class DomainError(Exception):
    """A refusal with a stable code.

    `details` are extra members of the problem document (RFC 9457 §3.2): JSON values without
    personal data.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, **details: object) -> None:
        told = "".join(f"; {name}: {value}" for name, value in details.items())
        super().__init__(f"{self.title} ({self.code}){told}")
        self.details = details


class Unreadable(DomainError):
    """The request cannot be read at all."""


class Unauthenticated(DomainError):
    """Nobody, or nobody any more, stands behind the request."""


class NotAllowed(DomainError):
    """The caller is known and may not do this."""


class NotFound(DomainError):
    """There is no such thing for this caller."""


class Conflict(DomainError):
    """The state of things refuses."""


class Invalid(DomainError):
    """The request is readable but does not fit."""


class IdReused(Invalid):
    """The caller's id was used before, for another request; the first answer stands."""

    code: ClassVar[str] = "id_reused"
    title: ClassVar[str] = "The id was used for another request"
    advice: ClassVar[str] = "该编号已用于另一请求，请更换编号后重试。"


class TooMany(DomainError):
    """Too many requests; `retry_after_seconds` says when to come back."""

    def __init__(self, *, retry_after_seconds: int, **details: object) -> None:
        super().__init__(**details)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(DomainError):
    """Something that is needed does not answer; `retry_after_seconds` says when to come back."""

    def __init__(self, *, retry_after_seconds: int, **details: object) -> None:
        super().__init__(**details)
        self.retry_after_seconds = retry_after_seconds


def domain_errors() -> dict[str, type[DomainError]]:
    """Every refusal with a code of its own, by code; two classes with one code are a bug."""
    found: dict[str, type[DomainError]] = {}
    waiting = [DomainError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if "code" in vars(kind):
            if kind.code in found:
                message = f"two errors share the code {kind.code}"
                raise RuntimeError(message)
            found[kind.code] = kind
    return found


def refusal(code: str, **details: object) -> DomainError:
    """The error with this code, for refusals that a SQL function decided."""
    return domain_errors()[code](**details)

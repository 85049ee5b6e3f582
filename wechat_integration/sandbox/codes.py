"""One-time codes: what ``wx.login`` and the phone-number button hand to a mini program."""

from __future__ import annotations

import enum
import secrets
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from wechat_integration.sandbox.clock import SandboxClock

CODE_LIFE_SECONDS = 300
LOGINS_PER_USER_AND_MINUTE = 100
_MINUTE_SECONDS = 60

Holder = TypeVar("Holder")


@dataclass(frozen=True, slots=True)
class LoginUser:
    """A WeChat user as this mini program sees one."""

    openid: str
    unionid: str | None


@dataclass(frozen=True, slots=True)
class PhoneOwner:
    """A phone number that its owner agreed to share."""

    number: str
    country_code: str


class Refusal(enum.Enum):
    """Why a code yields nothing."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"


@dataclass(slots=True)
class _Issued(Generic[Holder]):
    holder: Holder
    issued_at_seconds: float
    used: bool = False


class OneTimeCodes(Generic[Holder]):
    """Codes that yield their holder once, within five minutes."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._issued: dict[str, _Issued[Holder]] = {}

    def issue(self, holder: Holder) -> str:
        """Return a new code for the holder."""
        code = secrets.token_hex(16)
        self._issued[code] = _Issued(holder, self._clock.now_seconds())
        return code

    def holder_of(self, code: str) -> Holder | Refusal:
        """Tell whose code it is, without using it, or why it yields nothing."""
        issued = self._issued.get(code)
        if issued is None:
            return Refusal.UNKNOWN
        if issued.used:
            return Refusal.USED
        age_seconds = self._clock.now_seconds() - issued.issued_at_seconds
        return Refusal.EXPIRED if age_seconds > CODE_LIFE_SECONDS else issued.holder

    def use(self, code: str) -> None:
        """Mark a known code as used."""
        self._issued[code].used = True


class LoginRate:
    """At most 100 sign-ins a minute for one user."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._at: defaultdict[str, deque[float]] = defaultdict(deque)

    def allows(self, openid: str) -> bool:
        """Count one attempt; false when the user is over the limit."""
        now, attempts = self._clock.now_seconds(), self._at[openid]
        while attempts and attempts[0] <= now - _MINUTE_SECONDS:
            attempts.popleft()
        if len(attempts) >= LOGINS_PER_USER_AND_MINUTE:
            return False
        attempts.append(now)
        return True

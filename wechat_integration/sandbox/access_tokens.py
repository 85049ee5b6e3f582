"""Access tokens as WeChat's stable_token gives and judges them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wechat_integration.sandbox.clock import SandboxClock
    from wechat_integration.sandbox.settings import SandboxSettings

OVERLAP_SECONDS = 300
FORCED_PER_DAY = 20
FORCED_APART_SECONDS = 30
_DAY_SECONDS = 86_400

ERRCODE_MISSING = 41001
ERRCODE_MALFORMED = 40014
ERRCODE_UNKNOWN = 40001
ERRCODE_EXPIRED = 42001


@dataclass(slots=True)
class AccessToken:
    """A token and when it ends, in the sandbox's seconds."""

    text: str
    ends_at_seconds: float


@dataclass(slots=True)
class AccessTokens:
    """Normal mode keeps the token until its last 300 s; then old and new are both accepted.

    Forced mode ends the old token at once; it acts at most every 30 s (a call in between gets
    the current token) and 20 times in 24 hours (then None).
    """

    clock: SandboxClock
    settings: SandboxSettings
    _known: dict[str, AccessToken] = field(default_factory=dict)
    _current: AccessToken | None = None
    _forced_at: list[float] = field(default_factory=list)

    def normal(self) -> AccessToken:
        """Return the current token, or a new one in the current one's last five minutes."""
        current = self._current
        if current is None or current.ends_at_seconds - self._now() <= OVERLAP_SECONDS:
            return self._new()
        return current

    def forced(self) -> AccessToken | None:
        """End the current token and return a new one, within the limits."""
        now = self._now()
        self._forced_at = [at for at in self._forced_at if at > now - _DAY_SECONDS]
        if self._forced_at and now - self._forced_at[-1] < FORCED_APART_SECONDS:
            return self.normal()
        if len(self._forced_at) >= FORCED_PER_DAY:
            return None
        self._forced_at.append(now)
        self.revoke()
        return self._new()

    def left_seconds(self, token: AccessToken) -> int:
        """Return how long the token is still good."""
        return max(0, int(token.ends_at_seconds - self._now()))

    def revoke(self) -> None:
        """Forget every token, as a forced renewal by somebody else would."""
        self._known.clear()
        self._current = None

    def errcode_of(self, text: str) -> int:
        """Return 0 for a live token, or the number WeChat gives for it."""
        if not text:
            return ERRCODE_MISSING
        if len(text) != self.settings.token_chars:
            return ERRCODE_MALFORMED
        token = self._known.get(text)
        if token is None:
            return ERRCODE_UNKNOWN
        return ERRCODE_EXPIRED if self._now() >= token.ends_at_seconds else 0

    def _new(self) -> AccessToken:
        chars = self.settings.token_chars
        text = secrets.token_urlsafe(chars)[:chars]
        token = AccessToken(text, self._now() + self.settings.token_life_seconds)
        self._known[text] = token
        self._current = token
        return token

    def _now(self) -> float:
        return self.clock.now_seconds()

"""The people a real-name service knows, and the nonces it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wechat_integration.realname import RealNameResult

if TYPE_CHECKING:
    from wechat_integration.sandbox.clock import SandboxClock

WINDOW_SECONDS = 300


class People:
    """Names by identity number."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def register(self, name: str, id_number: str) -> None:
        """Make the person known."""
        self._names[id_number] = name

    def judge(self, name: str, id_number: str) -> RealNameResult:
        """Tell whether the name belongs to the number."""
        known = self._names.get(id_number)
        if known is None:
            return RealNameResult.UNKNOWN
        return RealNameResult.MATCH if known == name else RealNameResult.MISMATCH


class Nonces:
    """Nonces of the accepted time window; an older request is refused by its time."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._seen_at: dict[str, float] = {}

    def in_window(self, timestamp_seconds: int) -> bool:
        """Tell whether a request's time is within five minutes of the sandbox's."""
        return abs(self._clock.now_seconds() - timestamp_seconds) <= WINDOW_SECONDS

    def is_new(self, nonce: str) -> bool:
        """Remember the nonce; false when it was used before."""
        now = self._clock.now_seconds()
        live = {kept: at for kept, at in self._seen_at.items() if now - at <= 2 * WINDOW_SECONDS}
        self._seen_at = {nonce: now, **live}
        return nonce not in live

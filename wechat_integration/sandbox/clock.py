"""The sandbox's own clock, which a test can put forward instead of waiting."""

from __future__ import annotations

import time


class SandboxClock:
    """Seconds since 1970, plus what has been added."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now_seconds(self) -> float:
        """Return the sandbox's time."""
        return time.time() + self._ahead_seconds

    def advance(self, *, seconds: float) -> None:
        """Put the clock forward (or back, with a negative number)."""
        self._ahead_seconds += seconds

    def reset(self) -> None:
        """Return to the machine's time."""
        self._ahead_seconds = 0.0

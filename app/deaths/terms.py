"""The terms after a death, in days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Terms:
    """How long what is kept of the dead rests; how long at least a report can be reversed.

    `copy_days`: how long at least a copy that was granted can be handed over.
    """

    kept_days: int = 180
    reversible_days: int = 30
    copy_days: int = 30

    def reversible_until_on(self, today: date) -> date:
        """Before this day nothing is deleted, whoever asks for it."""
        return today + timedelta(days=min(self.reversible_days, self.kept_days))

    def final_on(self, today: date) -> date:
        """The day on which everything is deleted, when nobody asks for anything."""
        return today + timedelta(days=self.kept_days)

    def copy_until_on(self, today: date) -> date:
        """Until when at least a copy can be had that is granted today."""
        return today + timedelta(days=self.copy_days)

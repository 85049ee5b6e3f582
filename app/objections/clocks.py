"""The terms of an objection, in working days; each runs until the end of its last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.kernel.working_days import add_working_days


@dataclass(frozen=True)
class Clocks:
    """How many working days there are: to decide, for the source, more for it, to ask again."""

    decide_days: int = 5
    source_days: int = 2
    source_extra_days: int = 3
    second_look_days: int = 10

    def decide_due_on(self, asked_on: date) -> date:
        """The last day to decide what was asked on this day."""
        return add_working_days(asked_on, self.decide_days)

    def source_due_on(self, asked_on: date) -> date:
        """The last day for the source's answer."""
        return add_working_days(asked_on, self.source_days)

    def extended_until(self, source_due_on: date) -> date:
        """The source's last day, made longer once."""
        return add_working_days(source_due_on, self.source_extra_days)

    def second_look_until(self, decided_on: date) -> date:
        """The last day to ask for a second look."""
        return add_working_days(decided_on, self.second_look_days)

"""How serious an adverse record is, and what follows: how long it may be shown, when repaired.

The bounds are those of the measures for credit repair, in calendar months from the date of the
document; within them the catalogue of a city sets each type's term in days.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """The categories of adverse records."""

    MINOR = "minor"
    GENERAL = "general"
    SERIOUS = "serious"


MONTHS: Final = 12  # of a year
MOST_MONTHS: Final = {Severity.MINOR: 3, Severity.GENERAL: MONTHS, Severity.SERIOUS: 3 * MONTHS}
# The days that so many months have at most; the months end a term that a shorter one would exceed.
MOST_DAYS: Final = {Severity.MINOR: 92, Severity.GENERAL: 366, Severity.SERIOUS: 1_096}
# What must have passed before a repair is granted.
REPAIR_AFTER_MONTHS: Final = {Severity.MINOR: 0, Severity.GENERAL: 3, Severity.SERIOUS: MONTHS}


def latest_end(severity: Severity, document_on: date) -> date:
    """The first day on which such a record may count no more, whatever its type's term."""
    return add_months(document_on, MOST_MONTHS[severity])


def repair_from(severity: Severity, document_on: date) -> date:
    """The first day on which a repair may be asked for."""
    return add_months(document_on, REPAIR_AFTER_MONTHS[severity])


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it has no such day."""
    years, month = divmod(day.month - 1 + months, MONTHS)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))

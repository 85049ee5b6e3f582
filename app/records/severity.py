"""How serious an adverse record is, and what follows: how long it may be shown, when repaired.

The bounds are those of the measures for credit repair, in calendar months from the date of the
document; within them the catalogue of a city sets each type's term in days.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

from dateutil.relativedelta import relativedelta


class Severity(StrEnum):
    """The categories of adverse records."""

    MINOR = "minor"
    GENERAL = "general"
    SERIOUS = "serious"


MOST_MONTHS: Final = {Severity.MINOR: 3, Severity.GENERAL: 12, Severity.SERIOUS: 36}
# The days that so many months have at most; the months end a term that a shorter one would exceed.
MOST_DAYS: Final = {Severity.MINOR: 92, Severity.GENERAL: 366, Severity.SERIOUS: 1_096}
# What must have passed before a repair is granted.
REPAIR_AFTER_MONTHS: Final = {Severity.MINOR: 0, Severity.GENERAL: 3, Severity.SERIOUS: 12}


def latest_end(severity: Severity, document_on: date) -> date:
    """The first day on which such a record may count no more, whatever its type's term."""
    return _months_after(document_on, MOST_MONTHS[severity])


def repair_from(severity: Severity, document_on: date) -> date:
    """The first day on which a repair may be asked for."""
    return _months_after(document_on, REPAIR_AFTER_MONTHS[severity])


def _months_after(day: date, months: int) -> date:
    later: date = day + relativedelta(months=months)  # a day that the month has not: its last one
    return later

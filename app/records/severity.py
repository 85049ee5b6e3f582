"""How serious an adverse record is, and what follows: how long it may be shown, when repaired.

The bounds are those of the measures for credit repair, counted in days from the date of the
document; within them the catalogue of a city sets each type's term.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """The categories of adverse records."""

    MINOR = "minor"
    GENERAL = "general"
    SERIOUS = "serious"


# At most three months, a year, three years.
MOST_DAYS: Final = {Severity.MINOR: 92, Severity.GENERAL: 366, Severity.SERIOUS: 1_096}
# Nothing, three months, a year must have passed before a repair is granted.
REPAIR_AFTER_DAYS: Final = {Severity.MINOR: 0, Severity.GENERAL: 90, Severity.SERIOUS: 365}

"""The one place that knows what a day is: a day in Asia/Shanghai.

Sessions, codes, vouchers and holds are decided by the database's clock, inside SQL; what stands
here is for what never decides about them (log lines, file names, dates given as data).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

CITY_ZONE = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """The application's time, aware, UTC."""
    return datetime.now(UTC)


def city_date(moment: datetime) -> date:
    """The day in the city at this aware moment."""
    return moment.astimezone(CITY_ZONE).date()

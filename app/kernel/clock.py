"""The one place that knows what a day is: a day in Asia/Shanghai.

What decides (sessions, codes, vouchers, holds, days) goes by the database's clock, in SQL: here
`CITY_TODAY` and `city_today`.  `now` and `city_date` are for what never decides (log lines, file
names, dates given as data).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Date, literal_column, select
from sqlalchemy.orm import Session

CITY_ZONE = ZoneInfo("Asia/Shanghai")
CITY_TODAY = literal_column("(now() AT TIME ZONE 'Asia/Shanghai')::date", Date())


def now() -> datetime:
    """The application's time, aware, UTC."""
    return datetime.now(UTC)


def city_date(moment: datetime) -> date:
    """The day in the city at this aware moment."""
    return moment.astimezone(CITY_ZONE).date()


def city_today(session: Session) -> date:
    """The day in the city as the transaction began, by the database's clock."""
    return session.execute(select(CITY_TODAY)).scalar_one()

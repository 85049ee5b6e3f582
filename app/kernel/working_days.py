"""Working days by the Chinese public-holiday calendar, with its working weekends (调休).

A year that an operator has loaded counts first, then what `chinese_calendar` knows.  Of other years
Monday to Friday are taken, and the check `calendar` raises its alarm until somebody loads them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import chinese_calendar
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.clock import CITY_TODAY
from app.kernel.database import Base, reading, transaction
from app.kernel.documents import DocumentError, DocumentFormat, Entry, read_document

log = logging.getLogger(__name__)

AHEAD = timedelta(days=45)  # the alarm comes before the first day that depends on it
COUNT_MAX = 250  # working days, about a year
SATURDAY = 5
EXCEPTIONS_MAX = 60  # in a year, of each kind


class CalendarError(DocumentError):
    """The file is no calendar of a year."""


class CalendarYear(Base):
    """A year as the State Council published it: weekdays off, weekends at work; ISO dates."""

    __tablename__ = "calendar_years"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    days_off: Mapped[list[Any]]
    working_weekends: Mapped[list[Any]]
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True)
class WorkingCalendar:
    """The loaded years, read once; days off and working weekends by year."""

    years: dict[int, tuple[frozenset[date], frozenset[date]]]

    def is_working_day(self, day: date) -> bool:
        """Whether people work on this day."""
        if day.year in self.years:
            days_off, working_weekends = self.years[day.year]
            return day in working_weekends or (day.weekday() < SATURDAY and day not in days_off)
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:
            log.warning("no calendar of working days", extra={"year": day.year})
            return day.weekday() < SATURDAY

    def knows(self, year: int) -> bool:
        """Whether the holidays of a year are known."""
        if year in self.years:
            return True
        try:
            chinese_calendar.is_workday(date(year, 1, 1))
        except NotImplementedError:
            return False
        return True


def read_calendar() -> WorkingCalendar:
    """The calendar as it stands."""
    with reading() as session:
        rows = session.scalars(select(CalendarYear)).all()
    return WorkingCalendar({
        row.year: (_dates(row.days_off), _dates(row.working_weekends)) for row in rows
    })


def add_working_days(day: date, count: int) -> date:
    """The `count`-th working day after this day; a term runs until the end of it.

    With 0 the day itself, or the next working day.  ValueError for more than COUNT_MAX.
    """
    if not 0 <= count <= COUNT_MAX:
        message = f"{count} working days are no term"
        raise ValueError(message)
    calendar = read_calendar()
    days = (one for one in _days_from(day) if calendar.is_working_day(one))
    if count == 0:
        return next(days)
    later = (one for one in days if one > day)
    for _ in range(count - 1):
        next(later)
    return next(later)


def load_calendar_year(document: str) -> int:
    """Load a year from a TOML document, in place of what was loaded before; the year.

    `year`, and as lists of dates `days_off` (Mondays to Fridays without work) and
    `working_weekends`.  CalendarError tells what is wrong.
    """
    error = CalendarError
    found = read_document(document, form=DocumentFormat.TOML, place="calendar", error=error)
    entry = Entry(found, "calendar", error)
    year = entry.whole("year", least=2020, most=2200)
    days_off = _read_dates(entry, "days_off", year=year, on_weekend=False)
    working = _read_dates(entry, "working_weekends", year=year, on_weekend=True)
    entry.finish()
    values = {"days_off": days_off, "working_weekends": working}
    with transaction() as session:
        loading = insert(CalendarYear).values(year=year, **values)
        session.execute(loading.on_conflict_do_update(
            index_elements=[CalendarYear.year], set_={**values, "loaded_at": func.now()}
        ))
    return year


def unknown_years() -> list[str]:
    """Findings of the check: years that begin within AHEAD, or have, without known holidays."""
    with reading() as session:
        today: date = session.execute(select(CITY_TODAY)).scalar_one()
    calendar = read_calendar()
    years = {today.year, (today + AHEAD).year}
    return [f"no calendar of {year}" for year in sorted(years) if not calendar.knows(year)]


def _days_from(day: date) -> Iterator[date]:
    while True:
        yield day
        day += timedelta(days=1)


def _dates(texts: list[Any]) -> frozenset[date]:
    return frozenset(date.fromisoformat(text) for text in texts)


def _read_dates(entry: Entry, key: str, *, year: int, on_weekend: bool) -> list[str]:
    found = entry.take(key, list)
    if len(found) > EXCEPTIONS_MAX:
        raise entry.fault(key, f"at most {EXCEPTIONS_MAX} dates")
    for one in found:
        is_date = isinstance(one, date) and not isinstance(one, datetime)
        if not is_date or one.year != year or (one.weekday() >= SATURDAY) is not on_weekend:
            kind = "weekend" if on_weekend else "weekday"
            raise entry.fault(key, f"{one} is no {kind} of {year}")
    return sorted({one.isoformat() for one in found})

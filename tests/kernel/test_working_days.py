"""Working days go by the public calendar, its working weekends, and what operators load."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel import working_days
from app.kernel.database import transaction
from app.kernel.working_days import CalendarError, add_working_days, load_calendar_year

YEAR_2027 = """
year = 2027
days_off = [2027-01-01, 2027-02-08, 2027-02-09]
working_weekends = [2027-01-30]
"""


def test_terms_run_over_holidays_and_working_weekends(app: Flask) -> None:
    # 2026: the National Day holiday is 1 to 7 October; 10 October, a Saturday, is worked.
    assert add_working_days(date(2026, 9, 30), 1) == date(2026, 10, 8)
    assert add_working_days(date(2026, 9, 30), 3) == date(2026, 10, 10)
    assert add_working_days(date(2026, 10, 3), 0) == date(2026, 10, 8)
    assert add_working_days(date(2026, 10, 9), 0) == date(2026, 10, 9)
    assert add_working_days(date(2026, 9, 30), 5) == date(2026, 10, 13)


def test_a_year_that_nobody_knows_is_monday_to_friday_with_an_alarm(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    assert add_working_days(date(2033, 9, 30), 1) == date(2033, 10, 3)
    assert "no calendar of working days" in caplog.text
    assert not working_days.read_calendar().knows(2033)


def test_an_operator_loads_a_year_and_loads_it_again(app: Flask) -> None:
    with app.app_context():
        assert load_calendar_year(YEAR_2027) == 2027
        assert add_working_days(date(2026, 12, 31), 1) == date(2027, 1, 4)
        assert add_working_days(date(2027, 1, 29), 1) == date(2027, 1, 30)
        assert add_working_days(date(2027, 2, 5), 1) == date(2027, 2, 10)
        load_calendar_year(YEAR_2027.replace("2027-02-09", "2027-02-10"))
        assert add_working_days(date(2027, 2, 5), 1) == date(2027, 2, 9)
        assert working_days.read_calendar().knows(2027)


def test_the_alarm_names_the_years_that_are_missing(app: Flask) -> None:
    with transaction() as session:
        year: int = session.execute(text("SELECT extract(year FROM now())::int")).scalar_one()
    known = working_days.read_calendar()
    missing = [f"no calendar of {one}" for one in (year, year + 1) if not known.knows(one)]
    assert set(working_days.unknown_years()) <= set(missing)
    for one in (year, year + 1):
        load_calendar_year(f"year = {one}\ndays_off = []\nworking_weekends = []")
    assert working_days.unknown_years() == []


@pytest.mark.parametrize("wrong", [
    YEAR_2027.replace("2027-01-30", "2027-01-29"),  # a Friday is no weekend
    YEAR_2027.replace("2027-02-08", "2027-02-07"),  # a Sunday is off anyway
    YEAR_2027.replace("2027-02-08", "2028-02-08"),  # another year
    YEAR_2027.replace("2027-02-08", '"2027-02-08"'),
    YEAR_2027.replace("year = 2027", "year = 1999"),
    YEAR_2027 + "more = 1",
    "year =",
])  # fmt: skip
def test_a_wrong_file_is_refused(wrong: str, app: Flask) -> None:
    with pytest.raises(CalendarError):
        load_calendar_year(wrong)


def test_a_term_has_bounds(app: Flask) -> None:
    for count in (-1, working_days.COUNT_MAX + 1):
        with pytest.raises(ValueError, match="no term"):
            add_working_days(date(2026, 1, 1), count)

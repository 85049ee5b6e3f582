"""R15: terms by the published calendar of 2026, compared with one that was written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from flask import Flask

from app.kernel.working_days import add_working_days
from app.objections.clocks import Clocks

REPAIR_DAYS = 10


def days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


# What the State Council gave free in 2026, and the weekends that are worked instead (调休).
FREE = {
    *days(date(2026, 1, 1), date(2026, 1, 3)), *days(date(2026, 2, 15), date(2026, 2, 23)),
    *days(date(2026, 4, 4), date(2026, 4, 6)), *days(date(2026, 5, 1), date(2026, 5, 5)),
    *days(date(2026, 6, 19), date(2026, 6, 21)), *days(date(2026, 9, 25), date(2026, 9, 27)),
    *days(date(2026, 10, 1), date(2026, 10, 7)),
}  # fmt: skip
WORKED = {
    date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28), date(2026, 5, 9), date(2026, 9, 20),
    date(2026, 10, 10),
}  # fmt: skip


def is_worked(day: date) -> bool:
    return day in WORKED or (day.weekday() < 5 and day not in FREE)


def last_day(asked_on: date, count: int) -> date:
    """Counting on the fingers: the day of asking does not count."""
    day = asked_on
    while count:
        day += timedelta(days=1)
        count -= is_worked(day)
    return day


@pytest.mark.parametrize(("first", "last"), [
    (date(2026, 2, 9), date(2026, 3, 2)),  # the Spring Festival, worked Saturdays on both sides
    (date(2026, 4, 29), date(2026, 5, 12)),  # Labour Day
    (date(2026, 9, 16), date(2026, 10, 12)),  # Mid-Autumn and National Day, a worked Sunday
])  # fmt: skip
def test_r15_every_term_ends_on_its_day_around_the_holidays(
    app: Flask, first: date, last: date
) -> None:
    clocks = Clocks()
    for asked_on in days(first, last):
        due = {
            "source": (clocks.source_due_on(asked_on), clocks.source_days),
            "more": (clocks.extended_until(asked_on), clocks.source_extra_days),
            "decision": (clocks.decide_due_on(asked_on), clocks.decide_days),
            "second look": (clocks.second_look_until(asked_on), clocks.second_look_days),
            "repair": (add_working_days(asked_on, REPAIR_DAYS), REPAIR_DAYS),
        }
        for what, (found, count) in due.items():
            assert found == last_day(asked_on, count), (what, asked_on)
            assert is_worked(found), (what, asked_on)


def test_r15_who_asks_on_a_free_day_loses_none_and_on_a_worked_weekend_gains_none(
    app: Flask,
) -> None:
    clocks = Clocks()
    eve, within, worked = date(2026, 9, 30), date(2026, 10, 4), date(2026, 10, 10)
    assert clocks.decide_due_on(eve) == clocks.decide_due_on(within) == date(2026, 10, 13)
    assert clocks.source_due_on(eve) == date(2026, 10, 9)
    assert clocks.source_due_on(worked) == date(2026, 10, 13)
    assert clocks.decide_due_on(date(2026, 9, 19)) == date(2026, 9, 24)  # before a worked Sunday
    assert clocks.decide_due_on(date(2026, 9, 20)) == date(2026, 9, 28)  # which itself is no gain
    assert clocks.second_look_until(date(2025, 12, 31)) == date(2026, 1, 15)  # over the new year

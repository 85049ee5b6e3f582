"""Up to which day a score is shown: today, or the end of the last closed period of its scheme."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from app.kernel.errors import NotFound
from app.scoring.queries import scheme_in_force
from app.scoring.scheme import Period, Scheme

_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


class ScoreNotShownYet(NotFound):
    """There is a score, and it is shown when the period is over."""

    code: ClassVar[str] = "score_not_shown_yet"
    title: ClassVar[str] = "The score is shown when the period is over"
    advice: ClassVar[str] = "本期得分尚未公布，期末结束后可以查看。"


@dataclass(frozen=True)
class Shown:
    """The rules and the day by which a score is shown; when it is shown next, if not at once."""

    scheme: Scheme
    as_of_on: date
    next_shown_on: date | None


def period_start(period: Period, on: date) -> date:
    """The first day of the month, quarter or year of a day."""
    months = _MONTHS[period]
    return date(on.year, (on.month - 1) // months * months + 1, 1)


def last_closed_day(period: Period, on: date) -> date:
    """The last day of the last period that is over on a day."""
    return period_start(period, on) - timedelta(days=1)


def next_period(period: Period, on: date) -> date:
    """The first day of the period after that of a day."""
    later = period_start(period, on) + timedelta(days=31 * _MONTHS[period])
    return period_start(period, later)


def find_shown(*, asked_on: date, today: date) -> Shown | None:
    """What is shown for a day: the end of the last period closed by then, where periods are shown.

    None when no scheme applies; ScoreNotShownYet when one does and nothing is shown yet.
    """
    current = scheme_in_force(on=today)
    next_on = next_period(current.shown, today) if current and current.shown else None
    if current and current.shown:
        asked_on = min(asked_on, last_closed_day(current.shown, today))
    scheme = scheme_in_force(on=asked_on)
    if scheme and scheme.shown:
        asked_on = last_closed_day(scheme.shown, asked_on + timedelta(days=1))
        scheme = scheme_in_force(on=asked_on)
    if scheme is None and next_on is not None:
        raise ScoreNotShownYet(shown_on=next_on.isoformat())
    return None if scheme is None else Shown(scheme, asked_on, next_on)

"""What becomes of the trips of one person, one operator and one day: a pure rule.

It looks at all reports of the day at once and not at when they came, so that any order of arrival
gives the same.  A day is settled when nothing of it can come any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.benefits.values import ORDINARY_PRICE_PERCENT
from app.kernel.amounts import split
from app.transit.operators import Terms

LATE_MAX: Final = timedelta(hours=72)  # after the tap-in, the first report of a trip has come
SUBSIDISED: Final = "subsidised"
CAPPED: Final = "day_subsidy_used"  # in part or whole
TRIPS_USED: Final = "day_trips_used"
NOT_COMPLETED: Final = "not_completed"
NO_DISCOUNT: Final = "no_discount"
OUTCOMES: Final = (SUBSIDISED, CAPPED, TRIPS_USED, NOT_COMPLETED, NO_DISCOUNT)


@dataclass(frozen=True)
class Report:
    """What an operator says of a trip; without a tap-out the fare is the highest of the line.

    `code_percent` is what an offline code promised, None where an account was used.
    """

    trip_id: str
    citizen_id: UUID
    code_percent: int | None
    tap_in_at: datetime
    tap_in_place: str
    tap_out_at: datetime | None
    tap_out_place: str | None
    fare_fen: int


@dataclass(frozen=True)
class Span:
    """For how long somebody rode for how much."""

    valid_from: datetime
    valid_until: datetime
    price_percent: int


@dataclass(frozen=True)
class Trip:
    """A trip as its reports tell it together."""

    trip_id: str
    tap_in_at: datetime
    is_complete: bool
    fare_fen: int
    price_percent: int


@dataclass(frozen=True)
class SettledTrip:
    """What was taken off the fare, and what of it is subsidised."""

    trip: Trip
    discount_fen: int
    subsidy_fen: int
    outcome: str


def contradict(reports: Sequence[Report]) -> bool:
    """Whether reports of one trip cannot all be true: one begun and one completed may be."""
    begun = {(one.citizen_id, one.tap_in_at, one.tap_in_place) for one in reports}
    completed = [one for one in reports if one.tap_out_at is not None]
    return len(begun) > 1 or len(completed) > 1 or len(reports) - len(completed) > 1


def join_reports(reports: Sequence[Report], spans: Iterable[Span]) -> Trip:
    """The trip that these reports tell, which do not contradict each other."""
    told = max(reports, key=lambda one: one.tap_out_at is not None)
    percents = [
        span.price_percent for span in spans
        if span.valid_from <= told.tap_in_at < span.valid_until
    ]  # fmt: skip
    percents += [one.code_percent for one in reports if one.code_percent is not None]
    return Trip(
        told.trip_id, told.tap_in_at, told.tap_out_at is not None, told.fare_fen,
        min(percents, default=ORDINARY_PRICE_PERCENT),
    )


def settle_day(trips: Iterable[Trip], terms: Terms) -> list[SettledTrip]:
    """The trips of a person's day, the earliest first: each takes what the ones before it left."""
    left_trips, left_fen = terms.trips_per_day, terms.subsidy_per_day_fen
    settled = []
    for trip in sorted(trips, key=lambda one: (one.tap_in_at, one.trip_id)):
        discount_fen = discount_of(trip.fare_fen, trip.price_percent) if trip.is_complete else 0
        subsidy_fen, outcome = 0, SUBSIDISED
        if not trip.is_complete:
            outcome = NOT_COMPLETED
        elif not discount_fen:
            outcome = NO_DISCOUNT
        elif not left_trips:
            outcome = TRIPS_USED
        else:
            subsidy_fen = min(discount_fen, left_fen)
            left_trips, left_fen = left_trips - 1, left_fen - subsidy_fen
            outcome = SUBSIDISED if subsidy_fen == discount_fen else CAPPED
        settled.append(SettledTrip(trip, discount_fen, subsidy_fen, outcome))
    return settled


def discount_of(fare_fen: int, price_percent: int) -> int:
    """What is taken off: fare and price are whole fen, and half a fen goes to the price."""
    _, discount_fen = split(fare_fen, [price_percent, ORDINARY_PRICE_PERCENT - price_percent])
    return discount_fen

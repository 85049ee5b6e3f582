"""The rule of a day beside an independent model: in any order, never more than what is agreed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.transit.operators import Terms
from app.transit.rule import (
    Report,
    Span,
    Trip,
    contradict,
    discount_of,
    join_reports,
    settle_day,
)

MORNING = datetime(2026, 11, 30, 0, 0, tzinfo=UTC)
RIDER = UUID(int=1)
TRIPS = some.lists(
    some.builds(
        Trip, trip_id=some.text("abc", min_size=1, max_size=4),
        tap_in_at=some.integers(0, 20).map(lambda minutes: MORNING + timedelta(minutes=minutes)),
        is_complete=some.booleans(), fare_fen=some.integers(0, 900),
        price_percent=some.sampled_from([0, 50, 80, 100]),
    ),
    max_size=8, unique_by=lambda trip: trip.trip_id,
)  # fmt: skip
TERMS = some.builds(
    Terms, trips_per_day=some.integers(1, 4), subsidy_per_day_fen=some.integers(1, 400),
    complete_within_days=some.just(5),
)  # fmt: skip


def modelled(trips: list[Trip], terms: Terms) -> dict[str, tuple[int, int]]:
    """Discount and subsidy of each trip: for each, everything before it is counted anew."""

    def discount(trip: Trip) -> int:
        if not trip.is_complete:
            return 0
        exact = Fraction(trip.fare_fen * trip.price_percent, 100)
        price = int(exact + Fraction(1, 2))  # half a fen goes to the price
        return trip.fare_fen - price

    told = {}
    for trip in trips:
        earlier = [
            one for one in trips
            if discount(one) and (one.tap_in_at, one.trip_id) < (trip.tap_in_at, trip.trip_id)
        ]  # fmt: skip
        first = sorted(earlier, key=lambda one: (one.tap_in_at, one.trip_id))
        used = min(terms.subsidy_per_day_fen, sum(map(discount, first[: terms.trips_per_day])))
        has_trip = len(earlier) < terms.trips_per_day
        left = terms.subsidy_per_day_fen - used
        told[trip.trip_id] = discount(trip), min(discount(trip), left) if has_trip else 0
    return told


@given(trips=TRIPS, terms=TERMS, order=some.randoms(use_true_random=False))
def test_any_order_gives_what_the_model_gives(
    trips: list[Trip], terms: Terms, order: object
) -> None:
    shuffled = list(trips)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    settled = settle_day(shuffled, terms)
    told = {one.trip.trip_id: (one.discount_fen, one.subsidy_fen) for one in settled}
    assert told == modelled(trips, terms)
    assert sum(one.subsidy_fen for one in settled) <= terms.subsidy_per_day_fen
    assert sum(one.subsidy_fen > 0 for one in settled) <= terms.trips_per_day
    assert settled == settle_day(trips, terms)


def test_half_a_fen_goes_to_the_price() -> None:
    assert [discount_of(fare, 50) for fare in (1, 2, 3, 201)] == [0, 1, 1, 100]
    assert discount_of(200, 80) == 40
    assert discount_of(0, 80) == 0


def report(
    *, out: int | None = None, fare_fen: int = 200, rider: UUID = RIDER, at: int = 0
) -> Report:
    moment = MORNING + timedelta(minutes=at)
    tap_out_at = None if out is None else moment + timedelta(minutes=out)
    place = None if out is None else "B"
    return Report("t1", rider, None, moment, "A", tap_out_at, place, fare_fen)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([report()], False),
        ([report(out=9)], False),
        ([report(fare_fen=900), report(out=9)], False),  # the tap-out came later
        ([report(out=9), report(out=10)], True),
        ([report(fare_fen=1), report(fare_fen=2)], True),
        ([report(), report(out=9, at=1)], True),
        ([report(), report(out=9, rider=UUID(int=2))], True),
    ],
)
def test_reports_of_one_trip_fit_or_contradict(
    reports: list[Report], expected: bool  # noqa: FBT001
) -> None:
    assert contradict(reports) is expected
    assert contradict(reports[::-1]) is expected


def test_the_entitlement_of_the_tap_in_counts_and_the_completed_fare() -> None:
    half = timedelta(minutes=30)
    spans = [Span(MORNING - half, MORNING + half, 80), Span(MORNING + half, MORNING + 2 * half, 50)]
    for at, percent in ((0, 80), (29, 80), (30, 50), (59, 50), (60, 100), (-31, 100)):
        trip = join_reports([report(fare_fen=900, at=at), report(out=60, at=at)], spans)
        assert (trip.price_percent, trip.fare_fen, trip.is_complete) == (percent, 200, True)
    assert join_reports([report(fare_fen=900)], spans).is_complete is False
